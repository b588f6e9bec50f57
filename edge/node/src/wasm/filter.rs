//! Filters: components of the world `zephyr:edge/filter`.

use std::sync::Arc;

use zephyr_edge_core::Phases;

use super::{Counters, LoadError, Phase, StageError, Verdict};
use crate::exchange::Exchange;

/// A compiled filter.
#[derive(Debug)]
pub struct FilterComponent {
    name: String,
    sha256: String,
    counters: Counters,
}

impl FilterComponent {
    /// The name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The SHA-256 of the component's bytes, in lower-case hex.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// What happened to its calls.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// A stage with this configuration. Makes an instance, so that the filter can refuse it.
    ///
    /// # Errors
    ///
    /// [`LoadError::Configuration`] or [`LoadError::Start`].
    pub fn stage(self: &Arc<Self>, config_json: &str) -> Result<FilterStage, LoadError> {
        let _ = config_json;
        Ok(FilterStage {
            component: Arc::clone(self),
            phases: Phases::default(),
        })
    }
}

/// A filter with a configuration, and its instances.
#[derive(Debug)]
pub struct FilterStage {
    component: Arc<FilterComponent>,
    phases: Phases,
}

impl FilterStage {
    /// The phases to call it in.
    pub fn phases(&self) -> Phases {
        self.phases
    }

    /// The component's name.
    pub fn name(&self) -> &str {
        &self.component.name
    }

    /// Calls the filter. The exchange comes back, also after a trap.
    pub async fn call(
        &self,
        phase: Phase,
        exchange: Box<Exchange>,
    ) -> (Box<Exchange>, Result<Verdict, StageError>) {
        let _ = phase;
        (exchange, Err(StageError::Saturated))
    }
}

//! A route as it runs: its filters loaded and configured, its target found.

use std::sync::Arc;

use zephyr_edge_core::Phases;

use zephyr_content::files::Files;

use crate::config::OnError;
use crate::content::Compress;
use crate::spin::SpinRoute;
use crate::wasm::{Counters, FilterComponent, FilterStage, ServiceComponent};

/// A route.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) name: Arc<str>,
    pub(crate) target: Target,
    pub(crate) cache: bool,
    /// How answers are compressed, if they are.
    pub(crate) compress: Option<Compress>,
    /// Protocols to which a client may switch.
    pub(crate) upgrade: Vec<String>,
    pub(crate) stages: Vec<Stage>,
    /// The phases of all stages together.
    pub(crate) phases: Phases,
    /// The trigger of a Spin application, whose fields its component is told.
    pub(crate) spin: Option<SpinRoute>,
}

/// Who answers.
#[derive(Debug)]
pub(crate) enum Target {
    /// The upstream of this number.
    Upstream(usize),
    /// A service component.
    Service(Arc<ServiceComponent>),
    /// Files of a folder.
    Files(Arc<Files>),
}

/// A filter in a pipeline.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) filter: Arc<FilterStage>,
    pub(crate) phases: Phases,
    pub(crate) on_error: OnError,
}

impl Route {
    pub(crate) fn new(name: &str, target: Target, cache: bool, stages: Vec<Stage>) -> Self {
        let all = |sum: Phases, stage: &Stage| sum.and(stage.phases);
        let phases = stages.iter().fold(Phases::default(), all);
        Self {
            name: name.into(),
            target,
            cache,
            compress: None,
            upgrade: Vec::new(),
            stages,
            phases,
            spin: None,
        }
    }

    pub(crate) fn with_compress(mut self, compress: Option<Compress>) -> Self {
        self.compress = compress;
        self
    }

    pub(crate) fn with_upgrade(mut self, protocols: &[String]) -> Self {
        self.upgrade = protocols.to_vec();
        self
    }

    pub(crate) fn with_spin(mut self, spin: Option<SpinRoute>) -> Self {
        self.spin = spin;
        self
    }
}

/// A component that has been loaded.
#[derive(Clone, Debug)]
pub(crate) enum LoadedComponent {
    Filter(Arc<FilterComponent>),
    Service(Arc<ServiceComponent>),
}

impl LoadedComponent {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Filter(component) => component.name(),
            Self::Service(component) => component.name(),
        }
    }

    pub(crate) fn sha256(&self) -> &str {
        match self {
            Self::Filter(component) => component.sha256(),
            Self::Service(component) => component.sha256(),
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Filter(_) => "filter",
            Self::Service(_) => "service",
        }
    }

    pub(crate) fn counters(&self) -> &Counters {
        match self {
            Self::Filter(component) => component.counters(),
            Self::Service(component) => component.counters(),
        }
    }
}

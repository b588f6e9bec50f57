//! Filters: components of the world `zephyr:edge/filter`.
//!
//! An instance serves one call at a time and is used again for the next; a call that finds none
//! idle makes one. The exchange lies in the instance's store for as long as the call takes.

mod bindings;
mod cache_policy;
mod exchange;
mod host;
mod instance;
mod pool;
mod state;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, Linker};
use zephyr_edge_core::Phases;

use self::bindings::zephyr::edge::types;
use self::instance::{Blueprint, Instance, Unmade};
pub(super) use self::pool::thread_index;
use self::pool::{Pool, Turn};
use self::state::FilterState;
use super::engine::Engines;
use super::{Counters, Limits, LoadError, Phase, StageError, Verdict};
use crate::capability::Capabilities;
use crate::exchange::Exchange;

const WORLD: &str = "zephyr:edge/filter@0.1.0";

/// Time for an instance to be made and configured: more than a call's, because it happens once.
const START: Duration = Duration::from_secs(2);

/// What filters link against.
pub(super) fn linker(engine: &Engine) -> wasmtime::Result<Linker<FilterState>> {
    let mut linker = Linker::new(engine);
    super::wasi::link_std(&mut linker)?;
    bindings::Filter::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    Ok(linker)
}

pub(super) type FilterLinker = Linker<FilterState>;

// === impl FilterComponent ===

/// A compiled filter.
pub struct FilterComponent {
    sha256: String,
    blueprint: Blueprint,
}

impl fmt::Debug for FilterComponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sha256, blueprint } = self;
        let name = &blueprint.name;
        f.debug_struct("FilterComponent")
            .field("name", name)
            .field("sha256", sha256)
            .finish()
    }
}

impl FilterComponent {
    pub(super) fn new(
        name: &str,
        sha256: String,
        component: &Component,
        linker: &FilterLinker,
        capabilities: &Capabilities,
        limits: Limits,
        engines: &Arc<Engines>,
    ) -> Result<Self, LoadError> {
        let misfit = |cause| LoadError::World {
            name: name.to_owned(),
            world: WORLD,
            cause,
        };
        let pre = linker.instantiate_pre(component).map_err(misfit)?;
        let pre = bindings::FilterPre::new(pre).map_err(misfit)?;
        let blueprint = Blueprint {
            name: name.into(),
            pre,
            capabilities: capabilities.clone(),
            limits,
            counters: Arc::default(),
            _engines: Arc::clone(engines),
        };
        Ok(Self { sha256, blueprint })
    }

    /// The name in the configuration.
    pub fn name(&self) -> &str {
        &self.blueprint.name
    }

    /// The SHA-256 of the component's bytes, in lower-case hex.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// What happened to its calls.
    pub fn counters(&self) -> &Counters {
        &self.blueprint.counters
    }

    /// A stage with this configuration. Makes an instance, so that the filter can refuse it; takes
    /// up to two seconds, so it is not for a worker.
    ///
    /// # Errors
    ///
    /// [`LoadError::Configuration`] or [`LoadError::Start`].
    pub fn stage(self: &Arc<Self>, config_json: &str) -> Result<FilterStage, LoadError> {
        let name = || self.name().to_owned();
        // `configure` may wait for a server, and the caller's thread may be inside a runtime
        // already, where it could not be waited for.
        let first = || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let runtime = runtime.map_err(|error| {
                Unmade::Failed(StageError::Instantiate(format!(
                    "no runtime to try it in: {error}"
                )))
            })?;
            runtime.block_on(self.blueprint.instantiate(config_json, START))
        };
        let first = std::thread::scope(|scope| scope.spawn(first).join());
        let phases = match first {
            Ok(Ok((_instance, phases))) => phases,
            Ok(Err(Unmade::Refused(reason))) => {
                return Err(LoadError::Configuration {
                    name: name(),
                    reason,
                });
            }
            Ok(Err(Unmade::Failed(cause))) => {
                return Err(LoadError::Start {
                    name: name(),
                    cause,
                });
            }
            Err(panic) => std::panic::resume_unwind(panic),
        };
        Ok(FilterStage {
            component: Arc::clone(self),
            config_json: config_json.into(),
            phases,
            pool: Pool::new(self.blueprint.limits.max_instances),
        })
    }
}

// === impl FilterStage ===

/// A filter with a configuration, and its instances. Shared by all workers.
#[derive(Debug)]
pub struct FilterStage {
    component: Arc<FilterComponent>,
    config_json: Box<str>,
    phases: Phases,
    pool: Pool,
}

impl FilterStage {
    /// The phases to call it in. A call in another phase says "next" and costs nothing.
    pub fn phases(&self) -> Phases {
        self.phases
    }

    /// The component's name.
    pub fn name(&self) -> &str {
        self.component.name()
    }

    /// What the filter was configured with.
    pub fn config_json(&self) -> &str {
        &self.config_json
    }

    /// The component.
    pub fn component(&self) -> &Arc<FilterComponent> {
        &self.component
    }

    /// Calls the filter. The exchange comes back, also after a trap, with what the filter has
    /// changed in it by then. Must run inside a tokio runtime.
    ///
    /// When the returned future is dropped before it is done, exchange and instance are gone.
    pub async fn call(
        &self,
        phase: Phase,
        exchange: Box<Exchange>,
    ) -> (Box<Exchange>, Result<Verdict, StageError>) {
        if !phase.is_in(self.phases) {
            return (exchange, Ok(Verdict::Next));
        }
        let limits = &self.component.blueprint.limits;
        let counters = self.component.counters();
        counters.calls.fetch_add(1, Relaxed);

        let (turn, mut instance) = match self.instance().await {
            Ok(instance) => instance,
            Err(error) => {
                counters.count(&error);
                return (exchange, Err(error));
            }
        };
        let (exchange, result) = instance.call(phase, exchange, limits.deadline).await;
        let result = match result {
            Ok(verdict) => {
                if instance.calls < limits.max_reuse {
                    turn.give_back(instance);
                }
                into_verdict(verdict)
            }
            Err(error) => Err(error),
        };
        if let Err(error) = &result {
            counters.count(error);
        }
        (exchange, result)
    }

    /// An idle instance, or a new one.
    async fn instance(&self) -> Result<(Turn<'_>, Instance), StageError> {
        let blueprint = &self.component.blueprint;
        let turn = self.pool.turn(blueprint.limits.deadline).await;
        let turn = turn.ok_or(StageError::Saturated)?;
        if let Some(instance) = turn.take() {
            return Ok((turn, instance));
        }
        // Boxed: most calls find an instance, and do without the room for this.
        match Box::pin(blueprint.instantiate(&self.config_json, START)).await {
            Ok((instance, _)) => Ok((turn, instance)),
            Err(Unmade::Failed(error)) => Err(error),
            Err(Unmade::Refused(reason)) => Err(StageError::Instantiate(format!(
                "refuses the configuration that it took before: {reason}"
            ))),
        }
    }
}

/// Checks a reply against the rules.
fn into_verdict(verdict: types::Verdict) -> Result<Verdict, StageError> {
    let verdict = match verdict {
        types::Verdict::Next => return Ok(Verdict::Next),
        types::Verdict::Reply(reply) => zephyr_edge_core::Verdict::Reply(zephyr_edge_core::Reply {
            status: reply.status,
            headers: reply.headers,
            body: reply.body,
        }),
    };
    Verdict::checked(verdict).map_err(StageError::InvalidReply)
}

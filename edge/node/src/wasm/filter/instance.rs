//! One instance of a filter, and one call of it.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::{Duration, Instant};

use wasmtime::Store;
use wasmtime::component::Resource;
use zephyr_edge_core::Phases;

use super::bindings::zephyr::edge::types;
use super::bindings::{Filter, FilterPre};
use super::state::FilterState;
use crate::capability::Capabilities;
use crate::exchange::Exchange;
use crate::wasm::engine::Engines;
use crate::wasm::{Counters, Limits, Phase, StageError};

/// Ticks of the epoch before a call is asked whether its time is over: after the first whole one.
const FIRST_CHECK: u64 = 2;

/// A live instance. Dropping it gives its memory back.
pub(super) struct Instance {
    store: Store<FilterState>,
    filter: Filter,
    counters: Arc<Counters>,
    /// Calls it has served.
    pub(super) calls: usize,
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance")
            .field("calls", &self.calls)
            .finish_non_exhaustive()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.counters.live_instances.fetch_sub(1, Relaxed);
    }
}

/// What an instance is made from.
pub(super) struct Blueprint {
    pub(super) name: Arc<str>,
    pub(super) pre: FilterPre<FilterState>,
    pub(super) capabilities: Capabilities,
    pub(super) limits: Limits,
    pub(super) counters: Arc<Counters>,
    /// Deadlines pass only while the engines' thread runs.
    pub(super) _engines: Arc<Engines>,
}

/// Why an instance could not be made.
pub(super) enum Unmade {
    /// The filter refuses its configuration.
    Refused(String),
    /// It failed.
    Failed(StageError),
}

impl Blueprint {
    /// Makes an instance and configures it, within `deadline`.
    pub(super) async fn instantiate(
        &self,
        config_json: &str,
        deadline: Duration,
    ) -> Result<(Instance, Phases), Unmade> {
        let state = FilterState::new(&self.name, &self.capabilities, self.limits.memory);
        let mut store = Store::new(self.pre.engine(), state);
        store.limiter(|state| &mut state.memory);
        store.epoch_deadline_callback(|mut store| Ok(store.data_mut().check(Instant::now())));
        store.set_epoch_deadline(FIRST_CHECK);
        store.data_mut().begin(None, deadline);

        let made = async {
            let filter = self.pre.instantiate_async(&mut store).await?;
            let answer = filter.call_configure(&mut store, config_json).await?;
            wasmtime::Result::Ok((filter, answer))
        };
        let made = within(deadline, made).await;
        match made {
            Some(Ok((filter, Ok(flags)))) => {
                self.counters.instantiations.fetch_add(1, Relaxed);
                self.counters.live_instances.fetch_add(1, Relaxed);
                let counters = Arc::clone(&self.counters);
                Ok((
                    Instance {
                        store,
                        filter,
                        counters,
                        calls: 0,
                    },
                    phases(flags),
                ))
            }
            Some(Ok((_, Err(reason)))) => Err(Unmade::Refused(reason)),
            Some(Err(error)) => Err(Unmade::Failed(failure(&mut store, &error, deadline))),
            None => Err(Unmade::Failed(StageError::Deadline(deadline))),
        }
    }
}

impl Instance {
    /// Calls the filter. On an error the instance must not be used again.
    pub(super) async fn call(
        &mut self,
        phase: Phase,
        exchange: Box<Exchange>,
        deadline: Duration,
    ) -> (Box<Exchange>, Result<types::Verdict, StageError>) {
        let Self { store, filter, .. } = self;
        self.calls += 1;
        store.set_epoch_deadline(FIRST_CHECK);
        store.data_mut().begin(Some(exchange), deadline);
        let handle = Resource::new_borrow(0);
        let result = match phase {
            Phase::Request => within(deadline, filter.call_on_request(&mut *store, handle)).await,
            Phase::Upstream => within(deadline, filter.call_on_upstream(&mut *store, handle)).await,
            Phase::Response => within(deadline, filter.call_on_response(&mut *store, handle)).await,
        };
        let result = match result {
            Some(Ok(verdict)) => Ok(verdict),
            Some(Err(error)) => Err(failure(store, &error, deadline)),
            None => Err(StageError::Deadline(deadline)),
        };
        let exchange = store.data_mut().exchange.take();
        (
            exchange.expect("nothing but this takes the exchange out of the store"),
            result,
        )
    }
}

/// Waits for a call, but not longer than its deadline: a guest that waits passes no epoch check.
/// The timer is made only when the call does not return at once, which is the exception. When time
/// is over the call is dropped, which unwinds the guest's stack.
async fn within<T>(deadline: Duration, call: impl Future<Output = T>) -> Option<T> {
    let mut call = pin!(call);
    if let Poll::Ready(result) = futures_util::poll!(&mut call) {
        return Some(result);
    }
    tokio::time::timeout(deadline, call).await.ok()
}

/// Why a call ended.
fn failure(
    store: &mut Store<FilterState>,
    error: &wasmtime::Error,
    deadline: Duration,
) -> StageError {
    let state = store.data_mut();
    if state.timed_out {
        return StageError::Deadline(deadline);
    }
    if state.memory.denied() {
        return StageError::OutOfMemory(state.memory.limit());
    }
    // The chain holds a backtrace with the guest's function names: for the log.
    tracing::debug!(component = &*state.component, "Trap: {error:?}");
    StageError::Trap(error.root_cause().to_string())
}

fn phases(flags: types::Phases) -> Phases {
    Phases {
        request: flags.contains(types::Phases::REQUEST),
        upstream: flags.contains(types::Phases::UPSTREAM),
        response: flags.contains(types::Phases::RESPONSE),
    }
}

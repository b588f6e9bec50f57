//! What one instance of a filter has on the host's side.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::UpdateDeadline;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::capability::Capabilities;
use crate::exchange::Exchange;
use crate::wasm::memory::MemoryLimit;
use crate::wasm::stdio::{LogBudget, LogStream};

/// Ticks that a guest has to compute before it can be cut off.
const MIN_CHECKS: u32 = 4;

/// The type behind the guest's handle of an exchange. There is one exchange a call, in
/// [`FilterState::exchange`], so the handle's number says nothing and no table is looked at.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "generated code re-exports it")]
pub struct Handle;

/// The data of a filter's store.
pub(in crate::wasm) struct FilterState {
    /// The exchange of the call that runs.
    pub(super) exchange: Option<Box<Exchange>>,
    /// The component's name.
    pub(super) component: Arc<str>,
    pub(super) capabilities: Capabilities,
    pub(super) memory: MemoryLimit,
    pub(super) log: LogBudget,
    /// When the call that runs is cut off.
    pub(super) deadline: Instant,
    /// Whether it was.
    pub(super) timed_out: bool,
    /// How often the call that runs was asked whether its time is over: at most once a tick, and
    /// only while the guest computes.
    checks: u32,
    wasi: WasiCtx,
    table: ResourceTable,
}

impl FilterState {
    pub(super) fn new(component: &Arc<str>, capabilities: &Capabilities, memory: usize) -> Self {
        let log = LogBudget::default();
        let stream = |stream| {
            let component = Arc::clone(component);
            LogStream {
                component,
                stream,
                budget: log.clone(),
            }
        };
        // No environment, no arguments, no folders.
        let wasi = WasiCtx::builder()
            .stdout(stream("stdout"))
            .stderr(stream("stderr"))
            .build();
        Self {
            exchange: None,
            component: Arc::clone(component),
            capabilities: capabilities.clone(),
            memory: MemoryLimit::new(memory),
            log,
            deadline: Instant::now(),
            timed_out: false,
            checks: 0,
            wasi,
            table: ResourceTable::new(),
        }
    }

    /// Gets ready for a call.
    pub(super) fn begin(&mut self, exchange: Option<Box<Exchange>>, deadline: Duration) {
        self.exchange = exchange;
        self.deadline = Instant::now() + deadline;
        self.timed_out = false;
        self.checks = 0;
        self.memory.renew();
        self.log.renew();
    }

    /// The guest has computed for a tick: whether it may go on. Before its deadline it lets others
    /// have the thread. Past it, it is cut off, unless it has hardly run: on a machine with too
    /// much to do a call of microseconds can lie still for longer than its deadline, and cutting it
    /// off would turn a slow answer into a wrong one.
    pub(super) fn check(&mut self, now: Instant) -> UpdateDeadline {
        self.checks += 1;
        if now < self.deadline {
            UpdateDeadline::Yield(1)
        } else if self.checks < MIN_CHECKS {
            UpdateDeadline::Continue(1)
        } else {
            self.timed_out = true;
            UpdateDeadline::Interrupt
        }
    }

    /// The exchange of the call that runs. The guest has a handle, so there is one; that it always
    /// does is the component model's promise, and a trap is what breaking it costs.
    pub(super) fn exchange(&mut self) -> wasmtime::Result<&mut Exchange> {
        self.exchange
            .as_deref_mut()
            .ok_or_else(|| wasmtime::format_err!("no exchange in this call"))
    }
}

impl WasiView for FilterState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::SignatureVerifier;
    use crate::capability::limiter::MemoryLimiter;

    fn state() -> FilterState {
        let capabilities = Capabilities {
            kv: Arc::new(zephyr_kv::Memory::new(Default::default())),
            limiter: Arc::new(MemoryLimiter::new(1)),
            signatures: Arc::new(SignatureVerifier::new(0)),
        };
        let mut state = FilterState::new(&"test".into(), &capabilities, 0);
        state.begin(None, Duration::from_millis(50));
        state
    }

    #[test]
    fn a_call_that_computes_yields_until_its_deadline_and_is_cut_off_then() {
        let mut state = state();
        let start = state.deadline - Duration::from_millis(50);
        for tick in 1..10 {
            let now = start + Duration::from_millis(5 * tick);
            assert!(
                matches!(state.check(now), UpdateDeadline::Yield(1)),
                "{tick}"
            );
        }
        assert!(matches!(
            state.check(state.deadline),
            UpdateDeadline::Interrupt
        ));
        assert!(state.timed_out);
    }

    #[test]
    fn a_call_that_has_hardly_run_is_not_cut_off() {
        let mut state = state();
        let late = state.deadline + Duration::from_secs(1);
        for _ in 1..MIN_CHECKS {
            assert!(matches!(state.check(late), UpdateDeadline::Continue(1)));
        }
        assert!(!state.timed_out);
        assert!(matches!(state.check(late), UpdateDeadline::Interrupt));
    }
}

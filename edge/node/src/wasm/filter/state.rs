//! What one instance of a filter has on the host's side.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::capability::Capabilities;
use crate::exchange::Exchange;
use crate::wasm::memory::MemoryLimit;
use crate::wasm::stdio::{LogBudget, LogStream};

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
            wasi,
            table: ResourceTable::new(),
        }
    }

    /// Gets ready for a call.
    pub(super) fn begin(&mut self, exchange: Option<Box<Exchange>>, deadline: Duration) {
        self.exchange = exchange;
        self.deadline = Instant::now() + deadline;
        self.timed_out = false;
        self.memory.renew();
        self.log.renew();
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

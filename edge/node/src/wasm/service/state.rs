//! What one instance of a service has on the host's side, and what its worker and the callers tell
//! each other.

use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use wasmtime::component::ResourceTable;
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::outgoing::Hooks;
use crate::wasm::engine::TICK;
use crate::wasm::memory::MemoryLimit;
use crate::wasm::stdio::{LogBudget, LogStream};
use crate::wasm::{Limits, Outbound, StageError};

/// Computing without a pause, in deadlines, after which a guest that has answered is cut off.
const COMPUTING: u32 = 10;

/// The data of a service's store.
pub(in crate::wasm) struct ServiceState {
    pub(super) memory: MemoryLimit,
    pub(super) log: LogBudget,
    hooks: Hooks,
    http: WasiHttpCtx,
    wasi: WasiCtx,
    table: ResourceTable,
}

impl ServiceState {
    /// A store for an instance.
    pub(super) fn store(
        engine: &wasmtime::Engine,
        component: &Arc<str>,
        limits: Limits,
        outbound: &Arc<dyn Outbound>,
        worker: Arc<Worker>,
    ) -> Store<Self> {
        let log = LogBudget::default();
        log.renew();
        let stream = |stream| {
            let component = Arc::clone(component);
            LogStream {
                component,
                stream,
                budget: log.clone(),
            }
        };
        // No environment, no arguments, no folders, and no sockets, which are not linked.
        let wasi = WasiCtx::builder()
            .stdout(stream("stdout"))
            .stderr(stream("stderr"))
            .build();
        let hooks = Hooks {
            outbound: Arc::clone(outbound),
            component: Arc::clone(component),
        };
        let state = Self {
            memory: worker.memory.clone(),
            log,
            hooks,
            http: WasiHttpCtx::new(),
            wasi,
            table: ResourceTable::new(),
        };
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.memory);
        let mut pace = Pace::new(limits.deadline);
        store.epoch_deadline_callback(move |_| {
            let now = Instant::now();
            if worker.overdue(now) || pace.exhausted(now) {
                worker.timed_out.store(true, Release);
                return Ok(UpdateDeadline::Interrupt);
            }
            Ok(UpdateDeadline::Yield(1))
        });
        store.set_epoch_deadline(1);
        store
    }
}

impl WasiView for ServiceState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for ServiceState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.hooks,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}

/// How long a guest has computed without a pause. An answer may stream for as long as it likes, but
/// not by computing all the time.
struct Pace {
    limit: Duration,
    since: Instant,
    last: Instant,
}

impl Pace {
    fn new(deadline: Duration) -> Self {
        let now = Instant::now();
        Self {
            limit: deadline * COMPUTING,
            since: now,
            last: now,
        }
    }

    fn exhausted(&mut self, now: Instant) -> bool {
        if now.duration_since(self.last) > TICK * 4 {
            self.since = now;
        }
        self.last = now;
        now.duration_since(self.since) > self.limit
    }
}

// === impl Worker ===

/// What is known of an instance from outside.
#[derive(Debug)]
pub(super) struct Worker {
    /// Requests whose answers are not done: 0 or 1.
    pub(super) busy: AtomicUsize,
    /// Cut off by a deadline.
    pub(super) timed_out: AtomicBool,
    /// Not to be used again.
    pub(super) doomed: AtomicBool,
    pub(super) memory: MemoryLimit,
    /// Wakes the task that runs the instance.
    pub(super) waker: AtomicWaker,
    times: Mutex<Times>,
}

#[derive(Debug)]
struct Times {
    /// When the head of an answer is due; none when there is one, or no request.
    head_by: Option<Instant>,
    /// When the last answer was done.
    quiet_since: Instant,
}

impl Worker {
    pub(super) fn new(memory: usize, start: Duration) -> Self {
        let now = Instant::now();
        Self {
            busy: AtomicUsize::new(0),
            timed_out: AtomicBool::new(false),
            doomed: AtomicBool::new(false),
            memory: MemoryLimit::new(memory),
            waker: AtomicWaker::new(),
            times: Mutex::new(Times {
                head_by: Some(now + start),
                quiet_since: now,
            }),
        }
    }

    pub(super) fn expect_head_by(&self, by: Option<Instant>) {
        self.times.lock().head_by = by;
    }

    pub(super) fn waits_for_head(&self) -> bool {
        self.times.lock().head_by.is_some()
    }

    pub(super) fn quiet_since(&self) -> Instant {
        self.times.lock().quiet_since
    }

    fn overdue(&self, now: Instant) -> bool {
        self.times.lock().head_by.is_some_and(|by| by <= now)
    }

    /// Takes no more requests and goes away.
    pub(super) fn doom(&self) {
        self.doomed.store(true, Release);
        self.waker.wake();
    }

    /// Why a call ended, given what the engine says of it.
    pub(super) fn failure(&self, deadline: Duration, error: &wasmtime::Error) -> StageError {
        if self.timed_out.load(Acquire) {
            StageError::Deadline(deadline)
        } else if self.memory.denied() {
            StageError::OutOfMemory(self.memory.limit())
        } else {
            StageError::Trap(error.root_cause().to_string())
        }
    }
}

// === impl Flight ===

/// One request on its way through an instance. Dropping it says that the answer is done with.
#[derive(Debug, Default)]
pub(super) struct Flight(Arc<Mutex<FlightState>>);

/// The instance's end of a flight.
#[derive(Clone, Debug)]
pub(super) struct Ticket(Arc<Mutex<FlightState>>);

#[derive(Debug, Default)]
struct FlightState {
    worker: Option<Arc<Worker>>,
    landed: bool,
}

impl Flight {
    pub(super) fn ticket(&self) -> Ticket {
        Ticket(Arc::clone(&self.0))
    }

    pub(super) fn worker(&self) -> Option<Arc<Worker>> {
        self.0.lock().worker.clone()
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.landed = true;
        if let Some(worker) = state.worker.take() {
            worker.busy.fetch_sub(1, AcqRel);
            worker.times.lock().quiet_since = Instant::now();
            // It may take the next request now.
            worker.waker.wake();
        }
    }
}

impl Ticket {
    /// An instance has taken the request.
    pub(super) fn board(self, worker: &Arc<Worker>) {
        let mut state = self.0.lock();
        // The caller may have given up while the request stood in the queue.
        if !state.landed {
            worker.busy.fetch_add(1, AcqRel);
            state.worker = Some(Arc::clone(worker));
        }
    }
}

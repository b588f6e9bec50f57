//! What one instance of a service has on the host's side, and what its worker and the callers tell
//! each other.

use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::component::ResourceTable;
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::Access;
use super::outgoing::Hooks;
use super::spin::{SpinState, SpinView};
use crate::wasm::engine::TICK;
use crate::wasm::memory::MemoryLimit;
use crate::wasm::stdio::{LogBudget, LogStream};
use crate::wasm::{Limits, StageError};

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
    spin: SpinState,
}

impl ServiceState {
    /// A store for an instance.
    pub(super) fn store(
        engine: &wasmtime::Engine,
        component: &Arc<str>,
        limits: Limits,
        access: &Access,
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
        // No arguments, no folders, and no sockets, which are not linked. No environment but what a
        // Spin manifest says.
        let mut wasi = WasiCtx::builder();
        wasi.stdout(stream("stdout")).stderr(stream("stderr"));
        if let Some(spin) = &access.spin {
            for (name, value) in &spin.grants.environment {
                wasi.env(name, value);
            }
        }
        let hooks = Hooks {
            outbound: Arc::clone(&access.outbound),
            component: Arc::clone(component),
        };
        let state = Self {
            memory: worker.memory.clone(),
            log,
            hooks,
            http: WasiHttpCtx::new(),
            wasi: wasi.build(),
            table: ResourceTable::new(),
            spin: SpinState::new(access.spin.clone()),
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

impl ServiceState {
    /// The side of Spin's interfaces.
    pub(super) fn spin(&mut self) -> SpinView<'_> {
        self.spin.view(&mut self.table)
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
    /// Gone before its time.
    pub(super) failed: AtomicBool,
    /// Whether its failure was counted: by the caller or by the instance's end, whichever is first.
    pub(super) counted: AtomicBool,
    pub(super) memory: MemoryLimit,
    /// Wakes the task that runs the instance.
    pub(super) waker: AtomicWaker,
    life: Mutex<Life>,
}

#[derive(Debug)]
struct Life {
    /// When the head of an answer is due; none when there is one, or no request.
    head_by: Option<Instant>,
    /// When the last answer was done.
    quiet_since: Instant,
    /// The turn of the last request, kept until the instance can take the next one, so that there
    /// are never more instances than turns.
    turn: Option<OwnedSemaphorePermit>,
    /// Set when the instance is gone: why, if not by itself.
    ended: Option<Option<String>>,
}

impl Worker {
    pub(super) fn new(memory: usize, start: Duration) -> Self {
        let now = Instant::now();
        Self {
            busy: AtomicUsize::new(0),
            timed_out: AtomicBool::new(false),
            doomed: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            counted: AtomicBool::new(false),
            memory: MemoryLimit::new(memory),
            waker: AtomicWaker::new(),
            life: Mutex::new(Life {
                head_by: Some(now + start),
                quiet_since: now,
                turn: None,
                ended: None,
            }),
        }
    }

    pub(super) fn expect_head_by(&self, by: Option<Instant>) {
        self.life.lock().head_by = by;
    }

    pub(super) fn waits_for_head(&self) -> bool {
        self.life.lock().head_by.is_some()
    }

    pub(super) fn quiet_since(&self) -> Instant {
        self.life.lock().quiet_since
    }

    fn overdue(&self, now: Instant) -> bool {
        self.life.lock().head_by.is_some_and(|by| by <= now)
    }

    /// The instance can take the next request, if it takes any more.
    pub(super) fn is_free(&self) {
        let turn = self.life.lock().turn.take();
        drop(turn);
    }

    /// The instance is gone, by itself or for this reason.
    pub(super) fn ended(&self, why: Option<String>) {
        self.doomed.store(true, Release);
        self.failed.store(why.is_some(), Release);
        let mut life = self.life.lock();
        life.ended = Some(why);
        let turn = life.turn.take();
        drop(life);
        drop(turn);
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
            // The handler itself does not know more than that there was a trap.
            let ended = self.life.lock().ended.clone().flatten();
            StageError::Trap(ended.unwrap_or_else(|| error.root_cause().to_string()))
        }
    }
}

// === impl Flight ===

/// One request on its way through an instance. Dropping it says that the answer is done with.
#[derive(Debug)]
pub(super) struct Flight {
    state: Arc<Mutex<FlightState>>,
    turn: Option<OwnedSemaphorePermit>,
}

/// The instance's end of a flight.
#[derive(Clone, Debug)]
pub(super) struct Ticket(Arc<Mutex<FlightState>>);

#[derive(Debug, Default)]
struct FlightState {
    worker: Option<Arc<Worker>>,
    landed: bool,
}

impl Flight {
    pub(super) fn new(turn: OwnedSemaphorePermit) -> Self {
        Self {
            state: Arc::default(),
            turn: Some(turn),
        }
    }

    pub(super) fn ticket(&self) -> Ticket {
        Ticket(Arc::clone(&self.state))
    }

    pub(super) fn worker(&self) -> Option<Arc<Worker>> {
        self.state.lock().worker.clone()
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        state.landed = true;
        if let Some(worker) = state.worker.take() {
            {
                let mut life = worker.life.lock();
                life.quiet_since = Instant::now();
                if life.ended.is_none() {
                    life.turn = self.turn.take();
                }
            }
            worker.busy.fetch_sub(1, AcqRel);
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

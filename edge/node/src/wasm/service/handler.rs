//! How `wasmtime_wasi_http`'s handler makes instances, when one takes a request, and when it goes.
//!
//! One request at a time in an instance, its answer's body included, so that a trap costs at most
//! the request in it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::Sleep;
use wasmtime::component::GuestTaskId;
use wasmtime::{Store, StoreContextMut};
use wasmtime_wasi_http::WasiHttpView as _;
use wasmtime_wasi_http::handler::{
    HandlerState, Instance, Proxy, ProxyPre, ShouldAccept, WorkerExpiration, WorkerState,
    WorkerStatus,
};

use super::Access;
use super::state::{ServiceState, Ticket, Worker};
use crate::wasm::engine::Engines;
use crate::wasm::{Counters, Limits};

/// Time for an instance to be made.
pub(super) const START: Duration = Duration::from_secs(2);
/// An instance that has nothing to do for this long goes away.
const IDLE: Duration = Duration::from_secs(30);
/// What a guest gets past its deadline before its instance is dropped from outside, where it
/// neither computes nor waits in a way that the deadline reaches.
pub(super) const GRACE: Duration = Duration::from_millis(50);

/// What an instance is made from.
pub(super) struct Blueprint {
    pub(super) name: Arc<str>,
    pub(super) engines: Arc<Engines>,
    pub(super) pre: ProxyPre<ServiceState>,
    pub(super) limits: Limits,
    pub(super) access: Access,
    pub(super) counters: Arc<Counters>,
}

impl Blueprint {
    /// Makes an instance.
    pub(super) async fn make(&self) -> wasmtime::Result<(Store<ServiceState>, Proxy, Arc<Worker>)> {
        let worker = Arc::new(Worker::new(self.limits.memory, START));
        let engine = &self.engines.services;
        let (name, limits, access) = (&self.name, self.limits, &self.access);
        let mut store = ServiceState::store(engine, name, limits, access, Arc::clone(&worker));
        let proxy = self.pre.instantiate_async(&mut store).await?;
        worker.expect_head_by(None);
        self.counters.instantiations.fetch_add(1, Relaxed);
        self.counters.live_instances.fetch_add(1, Relaxed);
        Ok((store, proxy, worker))
    }
}

/// The state of one thread's handler.
pub(super) struct Workers(pub(super) Arc<Blueprint>);

impl HandlerState for Workers {
    type StoreData = ServiceState;
    type WorkerExpiration = Expiration;
    type WorkerState = Lifecycle;

    async fn instantiate(&self) -> wasmtime::Result<Instance<ServiceState, Expiration, Lifecycle>> {
        let (store, proxy, worker) = self.0.make().await?;
        let limits = self.0.limits;
        Ok(Instance {
            store,
            proxy,
            view: ServiceState::http,
            expiration: Expiration {
                worker: Arc::clone(&worker),
                limits,
                sleep: None,
            },
            state: Lifecycle {
                worker,
                limits,
                name: Arc::clone(&self.0.name),
                counters: Arc::clone(&self.0.counters),
            },
        })
    }
}

/// Decides what an instance takes on, and is told when it is gone.
pub(super) struct Lifecycle {
    worker: Arc<Worker>,
    limits: Limits,
    name: Arc<str>,
    counters: Arc<Counters>,
}

impl WorkerState for Lifecycle {
    type StoreData = ServiceState;
    type RequestData = Ticket;

    fn should_accept_request(&self, concurrent: usize, total: usize) -> ShouldAccept {
        if total >= self.limits.max_reuse || self.worker.doomed.load(Acquire) {
            ShouldAccept::Never
        } else if concurrent > 0 || self.worker.busy.load(Acquire) > 0 {
            ShouldAccept::No
        } else {
            ShouldAccept::Yes
        }
    }

    fn on_request_start(
        &self,
        mut store: StoreContextMut<'_, ServiceState>,
        ticket: Ticket,
        _task: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + Sync>> {
        let deadline = self.limits.deadline;
        self.worker.expect_head_by(Some(Instant::now() + deadline));
        ticket.board(&self.worker);
        store.set_epoch_deadline(1);
        let state = store.data_mut();
        state.memory.renew();
        state.log.renew();
        Box::pin(tokio::time::sleep(deadline))
    }

    fn drop(&self, store: Store<ServiceState>, result: wasmtime::Result<()>) {
        drop(store);
        self.counters.live_instances.fetch_sub(1, Relaxed);
        let Err(error) = result else {
            self.worker.ended(None);
            return;
        };
        let component = &*self.name;
        tracing::debug!(component, "Instance ended: {error:?}");
        self.worker.ended(Some(error.root_cause().to_string()));
        if !self.worker.counted.swap(true, AcqRel) {
            let failure = self.worker.failure(self.limits.deadline, &error);
            self.counters.count(&failure);
            let answering = self.worker.busy.load(Acquire) > 0;
            if answering && !self.worker.waits_for_head() {
                // Before the head the caller is told. Now there is only the body to break off. One
                // with nothing to do also ends this way, when its thread does.
                tracing::warn!(
                    component,
                    "An answer of {component} broke off: it {failure}"
                );
            }
        }
    }
}

/// Says when an instance has to go. Polled from outside the guest, so it also ends one that neither
/// computes nor can be told.
pub(super) struct Expiration {
    worker: Arc<Worker>,
    limits: Limits,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Expiration {
    /// When to go, if nothing changes.
    fn due(&self, status: WorkerStatus, start: Instant) -> Option<Instant> {
        let busy = self.worker.busy.load(Acquire) > 0;
        match status {
            WorkerStatus::Requests => Some(start + self.limits.deadline + GRACE),
            _ if self.worker.doomed.load(Acquire) => Some(start),
            // For as long as somebody reads the answer; who reads has a time limit of its own.
            WorkerStatus::PostReturn | WorkerStatus::Idle if busy => None,
            WorkerStatus::PostReturn => {
                Some(start.max(self.worker.quiet_since()) + self.limits.deadline)
            }
            WorkerStatus::Idle => Some(start.max(self.worker.quiet_since()) + IDLE),
        }
    }
}

impl WorkerExpiration for Expiration {
    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        status: WorkerStatus,
        start: Instant,
    ) -> Poll<()> {
        self.worker.waker.register(cx.waker());
        // This is polled after the instance was asked whether it takes another request, so one that
        // is not busy now has said yes, or never will again.
        if self.worker.busy.load(Acquire) == 0 {
            self.worker.is_free();
        }
        let Some(due) = self.due(status, start) else {
            return Poll::Pending;
        };
        let due = tokio::time::Instant::from_std(due);
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        if sleep.deadline() != due {
            sleep.as_mut().reset(due);
        }
        let gone = sleep.as_mut().poll(cx);
        if gone.is_ready() && status == WorkerStatus::Requests {
            self.worker.timed_out.store(true, Release);
        }
        gone
    }
}

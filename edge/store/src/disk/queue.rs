//! What waits for the writer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::fill::Shared;
use crate::fill::sink::Start;

/// More orders than this do not wait.
const MAX_ORDERS: usize = 65_536;

/// What the writer is to do.
#[derive(Debug)]
pub(super) enum Order {
    /// Write an object.
    Put(Put),
    /// Look at a body on its way. At most one of each waits; without the last one its stream would
    /// never end.
    Pump(Arc<Shared>),
    /// Write other metadata.
    Update { name: u64, start: Start },
    /// Note that an object is gone, which is out of the index already.
    Gone { hash: u64, variant: u64, id: u64 },
    /// Remove what there is of a hash.
    RemoveAll(u64),
    /// Remove all files.
    Clear,
    /// Tell that all before this is done.
    Flush(oneshot::Sender<()>),
}

/// An object that is whole.
#[derive(Debug)]
pub(super) struct Put {
    pub(super) start: Start,
    pub(super) body: Bytes,
}

impl Put {
    pub(super) fn weight(&self) -> usize {
        self.start.key.len() + self.start.meta.len() + self.body.len() + 256
    }
}

/// The orders.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    news: Condvar,
    streams: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    orders: VecDeque<Order>,
    closing: bool,
    /// Writing failed: not before then again.
    down_until: Option<Instant>,
}

impl Queue {
    /// False when it is not going to be done. What must not get lost always goes in.
    pub(super) fn push(&self, order: Order) -> bool {
        let must = !matches!(order, Order::Put(_) | Order::Update { .. });
        let mut state = self.state.lock();
        if state.closing || (state.orders.len() >= MAX_ORDERS && !must) {
            return false;
        }
        state.orders.push_back(order);
        drop(state);
        self.news.notify_one();
        true
    }

    /// The next order; none when all are done and no more will come.
    pub(super) fn next(&self) -> Option<Order> {
        let mut state = self.state.lock();
        loop {
            if let Some(order) = state.orders.pop_front() {
                return Some(order);
            }
            if state.closing {
                return None;
            }
            self.news.wait(&mut state);
        }
    }

    pub(super) fn close(&self) {
        self.state.lock().closing = true;
        self.news.notify_one();
    }

    /// Does nothing of what there is any more.
    pub(super) fn end(&self) {
        let mut state = self.state.lock();
        state.closing = true;
        let orders = std::mem::take(&mut state.orders);
        drop(state);
        for order in orders {
            if let Order::Pump(fill) = order {
                fill.refuse();
            }
        }
    }

    pub(super) fn rest_until(&self, until: Instant) {
        self.state.lock().down_until = Some(until);
    }

    pub(super) fn may_try(&self, now: Instant) -> bool {
        self.state
            .lock()
            .down_until
            .is_none_or(|until| until <= now)
    }

    pub(super) fn streams(&self) -> usize {
        self.streams.load(Relaxed)
    }

    pub(super) fn set_streams(&self, count: usize) {
        self.streams.store(count, Relaxed);
    }
}

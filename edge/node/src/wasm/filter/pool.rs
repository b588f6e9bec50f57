//! The instances of a stage: a stack of idle ones per worker thread, the warmest on top.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::instance::Instance;

/// Threads that have a stack of their own; more share.
const SLOTS: usize = 64;

/// The idle instances of all threads, and how many may be busy.
#[derive(Debug)]
pub(super) struct Pool {
    slots: Box<[Slot]>,
}

/// One thread's part. On a cache line of its own: threads do not disturb each other.
#[derive(Debug)]
#[repr(align(128))]
struct Slot {
    idle: Mutex<Vec<Instance>>,
    permits: Semaphore,
}

/// The right to one instance of a thread.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    slot: &'a Slot,
    _permit: SemaphorePermit<'a>,
}

impl Pool {
    pub(super) fn new(max_instances: usize) -> Self {
        let slot = |_| Slot {
            idle: Mutex::default(),
            permits: Semaphore::new(max_instances.min(Semaphore::MAX_PERMITS)),
        };
        Self {
            slots: (0..SLOTS).map(slot).collect(),
        }
    }

    /// Waits for a turn. None when there is none in time.
    pub(super) async fn turn(&self, wait: Duration) -> Option<Turn<'_>> {
        let slot = &self.slots[thread_index() % SLOTS];
        let permit = match slot.permits.try_acquire() {
            Ok(permit) => permit,
            Err(_) => tokio::time::timeout(wait, slot.permits.acquire())
                .await
                .ok()?
                .ok()?,
        };
        Some(Turn {
            slot,
            _permit: permit,
        })
    }
}

impl Turn<'_> {
    /// The instance that was used last, if one is idle.
    pub(super) fn take(&self) -> Option<Instance> {
        self.slot.idle.lock().pop()
    }

    /// Gives an instance back. The turn's own permit bounds how many there are.
    pub(super) fn give_back(self, instance: Instance) {
        self.slot.idle.lock().push(instance);
    }
}

/// A small number of this thread.
pub(in crate::wasm) fn thread_index() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static INDEX: usize = NEXT.fetch_add(1, Relaxed);
    }
    INDEX.with(|index| *index)
}

//! How reloads went, for metrics and the admin port.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::SystemTime;

use parking_lot::Mutex;

/// Counts of reloads, and why the last refused one was.
#[derive(Debug, Default)]
pub(crate) struct Reloads {
    accepted: AtomicU64,
    refused: AtomicU64,
    last_refused: Mutex<Option<Refused>>,
}

/// A configuration that was refused.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub(crate) at: SystemTime,
    pub(crate) reason: String,
}

impl Reloads {
    pub(crate) fn accepted(&self) {
        self.accepted.fetch_add(1, Relaxed);
    }

    pub(crate) fn refused(&self, reason: String) {
        self.refused.fetch_add(1, Relaxed);
        let at = SystemTime::now();
        *self.last_refused.lock() = Some(Refused { at, reason });
    }

    /// Reloads that were put in force, and that were refused.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.accepted.load(Relaxed), self.refused.load(Relaxed))
    }

    /// The last one that was refused, also when a good one came after it.
    pub(crate) fn last_refused(&self) -> Option<Refused> {
        self.last_refused.lock().clone()
    }
}

//! One stored answer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use zephyr_cache::vary::Selection;
use zephyr_cache::{Freshness, Head};

use super::tags::Names;

/// What a stored answer costs beside what it holds.
const ANSWER: usize = 512;

/// For how long an upstream that failed is left alone, in seconds.
const BACK_OFF: u64 = 2;

/// An answer as it was stored. Shared: a hit takes no copy of it.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) head: Head,
    pub(super) body: Bytes,
    pub(super) freshness: Freshness,
    pub(super) selection: Selection,
    pub(super) names: Names,
    /// Whether somebody refreshes it right now.
    pub(super) refreshing: AtomicBool,
    /// Until when the upstream is not asked about it again, in seconds since the Unix epoch.
    backs_off_until: AtomicU64,
    size: usize,
}

impl Stored {
    pub(super) fn new(
        head: Head,
        body: Bytes,
        freshness: Freshness,
        selection: Selection,
        names: Names,
    ) -> Self {
        let size = ANSWER + body.len() + head.size() + selection.size() + names.size();
        Self {
            head,
            body,
            freshness,
            selection,
            names,
            refreshing: AtomicBool::new(false),
            backs_off_until: AtomicU64::new(0),
            size,
        }
    }

    /// Notes that the upstream has failed to answer for it.
    pub(super) fn upstream_failed(&self, now: Duration) {
        self.backs_off_until
            .store(now.as_secs() + BACK_OFF, Relaxed);
    }

    /// Whether the upstream has failed just now, so that nobody needs to wait for it to fail again.
    pub(super) fn backs_off(&self, now: Duration) -> bool {
        let until = self.backs_off_until.load(Relaxed);
        // A clock set back must not make it longer.
        (1..=BACK_OFF).contains(&until.saturating_sub(now.as_secs()))
    }

    /// Bytes it takes, about: what it holds and what holding it costs.
    pub(super) fn size(&self) -> usize {
        self.size
    }
}

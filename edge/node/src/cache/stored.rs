//! One stored answer.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use zephyr_cache::Freshness;
use zephyr_cache::vary::Selection;

use super::tags::Names;

/// An answer as it was stored. Shared: a hit takes no copy of it.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) status: StatusCode,
    /// Without hop-by-hop fields, `age` and what is for the cache alone.
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) freshness: Freshness,
    pub(super) selection: Selection,
    pub(super) names: Names,
    /// Whether somebody refreshes it right now.
    pub(super) refreshing: AtomicBool,
    /// How often it was used since eviction last looked, up to three.
    uses: AtomicU8,
}

impl Stored {
    pub(super) fn new(
        status: StatusCode,
        headers: HeaderMap,
        body: Bytes,
        freshness: Freshness,
        selection: Selection,
        names: Names,
    ) -> Self {
        let (refreshing, uses) = (AtomicBool::new(false), AtomicU8::new(0));
        Self {
            status,
            headers,
            body,
            freshness,
            selection,
            names,
            refreshing,
            uses,
        }
    }

    /// Bytes it takes, about: what it holds and what holding it costs.
    pub(super) fn size(&self) -> usize {
        let fields: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 80)
            .sum();
        self.body.len() + fields + self.selection.size() + 512
    }

    pub(super) fn used(&self) {
        // A lost count does no harm.
        let uses = self.uses.load(Relaxed);
        if uses < 3 {
            self.uses.store(uses + 1, Relaxed);
        }
    }

    /// Takes one use away; false when there was none.
    pub(super) fn spend_use(&self) -> bool {
        let uses = self.uses.load(Relaxed);
        if uses > 0 {
            self.uses.store(uses - 1, Relaxed);
        }
        uses > 0
    }
}

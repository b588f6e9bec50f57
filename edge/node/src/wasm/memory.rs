//! The memory limit of one instance.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use wasmtime::ResourceLimiter;

/// Elements of all tables that one instance may have: functions of a large program.
const MAX_TABLE_ELEMENTS: usize = 20_000;

/// Allows an instance's memories to grow up to a limit together, and remembers when it did not. Clones
/// share that memory: whoever has one can ask while the instance runs.
#[derive(Clone, Debug)]
pub(super) struct MemoryLimit {
    limit: usize,
    denied: Arc<AtomicBool>,
    /// Bytes of all memories. An instance linked of several components has several.
    used: Arc<AtomicUsize>,
}

impl MemoryLimit {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            denied: Arc::default(),
            used: Arc::default(),
        }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// A new call begins.
    pub(super) fn renew(&self) {
        self.denied.store(false, Relaxed);
    }

    /// Whether a growth was denied in this call.
    pub(super) fn denied(&self) -> bool {
        self.denied.load(Relaxed)
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let used = self.used.load(Relaxed).saturating_sub(current) + desired;
        let allowed = used <= self.limit && maximum.is_none_or(|maximum| desired <= maximum);
        if allowed {
            self.used.store(used, Relaxed);
        } else {
            self.denied.store(true, Relaxed);
        }
        Ok(allowed)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE_ELEMENTS)
    }
}

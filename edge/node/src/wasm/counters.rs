//! What happened to a component's calls, for metrics and for the control plane.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::StageError;

/// Counts of one component, over all its stages and threads.
#[derive(Debug, Default)]
pub struct Counters {
    pub(super) calls: AtomicU64,
    pub(super) traps: AtomicU64,
    pub(super) deadlines: AtomicU64,
    pub(super) out_of_memory: AtomicU64,
    pub(super) saturated: AtomicU64,
    pub(super) invalid_replies: AtomicU64,
    pub(super) instantiations: AtomicU64,
    pub(super) live_instances: AtomicU64,
}

/// [`Counters`] at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CountersSnapshot {
    /// Calls started.
    pub calls: u64,
    /// Calls that ended in a trap, those of the next two lines left out.
    pub traps: u64,
    /// Calls cut off at their deadline.
    pub deadlines: u64,
    /// Calls that ended because a memory could not grow.
    pub out_of_memory: u64,
    /// Calls that found no instance free in time.
    pub saturated: u64,
    /// Calls that ended with a reply against the rules.
    pub invalid_replies: u64,
    /// Instances made.
    pub instantiations: u64,
    /// Instances there are.
    pub live_instances: u64,
}

impl Counters {
    /// The counts now.
    pub fn snapshot(&self) -> CountersSnapshot {
        CountersSnapshot {
            calls: self.calls.load(Relaxed),
            traps: self.traps.load(Relaxed),
            deadlines: self.deadlines.load(Relaxed),
            out_of_memory: self.out_of_memory.load(Relaxed),
            saturated: self.saturated.load(Relaxed),
            invalid_replies: self.invalid_replies.load(Relaxed),
            instantiations: self.instantiations.load(Relaxed),
            live_instances: self.live_instances.load(Relaxed),
        }
    }
}

impl Counters {
    /// Counts how a call failed.
    pub(super) fn count(&self, error: &StageError) {
        let counter = match error {
            StageError::Trap(_) | StageError::Service(_) | StageError::Instantiate(_) => {
                &self.traps
            }
            StageError::Deadline(_) => &self.deadlines,
            StageError::OutOfMemory(_) => &self.out_of_memory,
            StageError::Saturated => &self.saturated,
            StageError::InvalidReply(_) => &self.invalid_replies,
        };
        counter.fetch_add(1, Relaxed);
    }
}

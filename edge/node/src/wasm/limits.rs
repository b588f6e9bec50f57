//! How much a component may take.

use std::time::Duration;

/// The limits of one component. Configuration gives them per component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest time of one call, waiting included; for a service, until the head of its answer. A
    /// filter that computes is cut off after at least 20 ms of computing.
    pub deadline: Duration,
    /// Linear memory of one instance, in bytes.
    pub memory: usize,
    /// Instances at once, per stage and worker thread. A call beyond it waits for at most
    /// `deadline` and then fails as saturated.
    pub max_instances: usize,
    /// Calls before an instance is replaced.
    pub max_reuse: usize,
}

impl Default for Limits {
    /// What `zephyr.toml` names as its defaults.
    fn default() -> Self {
        Self {
            deadline: Duration::from_millis(50),
            memory: 16 << 20,
            max_instances: 64,
            max_reuse: 100_000,
        }
    }
}

/// How much address space an engine sets aside for one kind of component. Pages cost memory only
/// once an instance touches them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolSize {
    /// Instances at once, over all components of the kind and all threads.
    pub instances: u32,
    /// Largest linear memory of any instance, in bytes; [`Limits::memory`] may be smaller.
    pub memory: usize,
}

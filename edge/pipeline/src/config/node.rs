//! `[node]`: the node itself.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::quantity;

/// The node itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeSection {
    /// The node's name; none: the host's name and the listening port.
    pub name: Option<String>,
    /// Worker threads; 0: one per core.
    pub threads: usize,
    /// Compiled components and the last good control state.
    pub data_dir: PathBuf,
    /// How long the node goes on after a stop was asked for, no longer being ready: for load
    /// balancers to notice.
    #[serde(deserialize_with = "quantity::duration")]
    pub shutdown_delay: Duration,
    /// How long open requests may take after that.
    #[serde(deserialize_with = "quantity::duration")]
    pub shutdown_grace: Duration,
}

impl Default for NodeSection {
    fn default() -> Self {
        Self {
            name: None,
            threads: 0,
            data_dir: PathBuf::from(".zephyr/edge"),
            shutdown_delay: Duration::ZERO,
            shutdown_grace: Duration::from_secs(10),
        }
    }
}

impl NodeSection {
    pub(super) fn resolve(mut self, base_dir: &Path) -> Self {
        self.data_dir = base_dir.join(&self.data_dir);
        self
    }

    /// How many worker threads to run.
    #[must_use]
    pub fn worker_threads(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads.min(1024),
        }
    }
}

//! What all threads of a node share, made once at start.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::SystemTime;

use crate::cache::Cache;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::pipeline::{LoadedComponent, Route};
use crate::router::Table;
use crate::upstream::Upstream;

/// What all threads of a node share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) started_at: SystemTime,
    pub(crate) config: Config,
    pub(crate) table: Table,
    /// In the order of the configuration, as the table numbers them.
    pub(crate) routes: Vec<Route>,
    pub(crate) components: Vec<LoadedComponent>,
    pub(crate) upstreams: Vec<Arc<Upstream>>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) metrics: Metrics,
    /// Client connections open, against the bound.
    pub(crate) open: AtomicU32,
    /// Tunnels open, against the bound.
    pub(crate) tunnels: AtomicU32,
    /// Whether the node takes requests.
    pub(crate) ready: AtomicBool,
    /// The last change of the control log that is in force; 0: none yet.
    pub(crate) control_seq: AtomicU64,
}

/// A place among the open connections, until dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Shared>);

impl Place {
    /// Takes a place; none when all are taken.
    pub(crate) fn take(node: &Arc<Shared>) -> Option<Self> {
        let before = node.open.fetch_add(1, Relaxed);
        let place = Self(Arc::clone(node));
        (before < node.config.listen.max_connections).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

//! What all threads of a node share for as long as it lives, whatever its configuration becomes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::SystemTime;

use arc_swap::ArcSwap;

use crate::cache::Cache;
use crate::generation::Generation;
use crate::metrics::Metrics;
use crate::per_address::PerAddress;
use crate::reload::Reloads;
use crate::tls::Tls;

/// What all threads of a node share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) started_at: SystemTime,
    /// The configuration in force. Workers have it in their setup and do not look here.
    pub(crate) current: ArcSwap<Generation>,
    pub(crate) reloads: Reloads,
    pub(crate) cache: Arc<Cache>,
    pub(crate) metrics: Metrics,
    /// Client connections open, against the bound.
    pub(crate) open: AtomicU32,
    /// The same for each client.
    pub(crate) per_address: Arc<PerAddress>,
    /// None without `listen.https`.
    pub(crate) tls: Option<Tls>,
    /// Tunnels open, against the bound.
    pub(crate) tunnels: AtomicU32,
    /// Whether the node takes requests.
    pub(crate) ready: AtomicBool,
    /// The last change of the control log that is in force; 0: none yet.
    pub(crate) control_seq: AtomicU64,
}

impl Shared {
    /// The configuration in force.
    pub(crate) fn generation(&self) -> Arc<Generation> {
        self.current.load_full()
    }
}

/// A place among the open connections, until dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Shared>);

impl Place {
    /// Takes one of `most` places; none when all are taken.
    pub(crate) fn take(node: &Arc<Shared>, most: u32) -> Option<Self> {
        let before = node.open.fetch_add(1, Relaxed);
        let place = Self(Arc::clone(node));
        (before < most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

//! Servers that the node asks: connections kept open per worker thread, bounds and time limits.
//!
//! A pool of its own over `hyper::client::conn`, and not hyper-util's client: a checkout here is a
//! pop from a list of the same thread, and the pool can tell a request that never left (sent again
//! whatever it is) from one that broke on a connection which may have been stale (sent again only
//! when it may be repeated).

mod answer_body;
mod connect;
mod in_flight;
mod outbound;
mod pool;
mod send;
mod sent_body;
mod upgrade;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub(crate) use outbound::{UpstreamOutbound, install, send_named};
pub(crate) use pool::Pools;
pub(crate) use send::send;
pub(crate) use upgrade::{Held, upgrade};

use crate::config::UpstreamConfig;

/// A server that the node asks, shared by all threads.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) name: Arc<str>,
    pub(crate) config: UpstreamConfig,
    pub(crate) counts: Counts,
    in_flight: AtomicU64,
}

impl Upstream {
    pub(crate) fn new(name: &str, config: UpstreamConfig) -> Self {
        Self {
            name: name.into(),
            config,
            counts: Counts::default(),
            in_flight: AtomicU64::new(0),
        }
    }

    /// Requests being answered.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.load(Relaxed)
    }
}

/// What happened at an upstream.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Requests sent.
    pub(crate) requests: AtomicU64,
    /// Connections made.
    pub(crate) connections: AtomicU64,
    /// Requests sent again after a connection turned out stale.
    pub(crate) retries: AtomicU64,
    /// Connections that could not be made.
    pub(crate) connect_errors: AtomicU64,
    /// Answers that did not come, or stopped coming, in time.
    pub(crate) timeouts: AtomicU64,
    /// Answers that broke off or were not HTTP.
    pub(crate) broken: AtomicU64,
    /// Requests turned away because too many were in flight.
    pub(crate) saturated: AtomicU64,
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

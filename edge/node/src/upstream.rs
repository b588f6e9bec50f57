//! Servers that the node asks: which one of an upstream, over connections kept open per worker
//! thread, with bounds and time limits, and what is done when one fails.
//!
//! * [`cluster`]: the servers of an upstream as they are now, which names and checks change
//! * [`send`]: one request: a server, further tries, a hedge
//! * [`attempt`]: one request on one server, over a connection that may turn out stale
//! * [`pool`], [`line`], [`connect`], [`tls`], [`keep_alive`]: connections
//! * [`answer_body`], [`sent_body`], [`in_flight`], [`timer`]: bounds on what is under way
//! * [`kept_body`]: small bodies that may have to be sent again
//! * [`form`], [`failure`]: requests as HTTP/1.1 and HTTP/2 have them, and what errors mean
//! * [`watch`], [`resolve`], [`health`]: what goes on in the background
//!
//! A pool of its own over `hyper::client::conn`, and not hyper-util's client: a checkout here is a
//! pop from a list of the same thread, and the pool can tell a request that never left (sent again
//! whatever it is) from one that broke on a connection which may have been stale (sent again only
//! when it may be repeated).

mod answer_body;
mod attempt;
mod cluster;
mod connect;
mod counts;
mod failure;
mod form;
mod health;
mod hedge;
mod in_flight;
mod keep_alive;
mod kept_body;
mod line;
mod outbound;
mod pool;
mod random;
mod resolve;
mod send;
mod sent_body;
mod timer;
pub(crate) mod tls;
mod upgrade;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use zephyr_balancer::{Breaker, BreakerConfig, BreakerState, Budget, BudgetConfig};

pub(crate) use cluster::{Cluster, Endpoint};
pub(crate) use counts::{Counts, FAILURES};
pub(crate) use outbound::{UpstreamOutbound, install, send_named};
pub(crate) use pool::Pools;
pub(crate) use send::send;
pub(crate) use upgrade::{Held, upgrade};
pub(crate) use watch::start;

use crate::config::UpstreamConfig;

/// Servers that the node asks, shared by all threads.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) name: Arc<str>,
    pub(crate) config: UpstreamConfig,
    pub(crate) counts: Counts,
    /// The servers as they are now.
    pub(crate) cluster: ArcSwap<Cluster>,
    /// Told when the servers change.
    changed: tokio::sync::Notify,
    tls: Option<tls::Client>,
    breaker: Option<Breaker>,
    budget: Budget,
    in_flight: AtomicU64,
    /// What all times of the balancer count from.
    epoch: Instant,
}

impl Upstream {
    /// An upstream whose names are not looked up yet.
    ///
    /// # Errors
    ///
    /// A certificate or key that cannot be read.
    pub(crate) fn new(name: &str, config: UpstreamConfig) -> anyhow::Result<Self> {
        let breaker = config.breaker.as_ref().map(|breaker| {
            Breaker::new(BreakerConfig {
                failure_ratio: breaker.failure_ratio,
                min_requests: breaker.min_requests,
                window: breaker.window,
                open_for: breaker.open_for,
                probes: breaker.probes,
            })
        });
        let budget = Budget::new(BudgetConfig {
            ratio: config.retry_ratio,
            min_per_second: config.retry_min_per_second,
        });
        let encrypted = config.servers.iter().any(|server| server.url.is_tls());
        let tls = match encrypted {
            true => Some(tls::Client::new(&config.tls, config.http2)?),
            false => None,
        };
        Ok(Self {
            name: name.into(),
            cluster: ArcSwap::from_pointee(Cluster::of_addresses(&config)),
            config,
            counts: Counts::default(),
            changed: tokio::sync::Notify::new(),
            tls,
            breaker,
            budget,
            in_flight: AtomicU64::new(0),
            epoch: Instant::now(),
        })
    }

    /// Requests being answered.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.load(Relaxed)
    }

    /// Where its breaker is; none when there is none.
    pub(crate) fn breaker_state(&self) -> Option<BreakerState> {
        self.breaker.as_ref().map(Breaker::state)
    }

    /// The time that the balancer counts in.
    pub(crate) fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// Puts other servers in the place of those there are.
    fn replace(&self, cluster: Cluster) {
        self.cluster.store(Arc::new(cluster));
        self.changed.notify_waiters();
    }
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

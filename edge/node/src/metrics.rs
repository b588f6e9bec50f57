//! What the node counts. Each worker thread counts in a shard of its own, so that a request never
//! waits for another core; shards are added up when somebody asks.

mod render;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

pub(crate) use render::render;

/// Upper bounds of the latency histogram's buckets, in microseconds.
const BUCKETS: [u64; 15] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 10_000_000,
];

/// What is counted for a whole thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    /// Connections accepted.
    Accepted,
    /// Connections closed at once because there were too many.
    TurnedAway,
    /// Connections that have ended.
    Closed,
    /// Connections closed because the peer stopped half-way.
    Stalled,
    /// Heads that hyper or the scanner refused.
    Refused,
    /// Handshakes after which a connection became a tunnel.
    Tunnels,
    /// Handshakes turned away because there were too many tunnels.
    TunnelsTurnedAway,
    /// Lines of the access log that were dropped because nobody took them.
    LogDropped,
}

const COUNTS: usize = Count::LogDropped as usize + 1;

/// The counts of one thread.
#[derive(Debug)]
pub(crate) struct Shard {
    counts: [AtomicU64; COUNTS],
    routes: Vec<RouteCounts>,
}

/// The counts of one route on one thread.
#[derive(Debug, Default)]
pub(crate) struct RouteCounts {
    /// By first digit of the status.
    classes: [AtomicU64; 6],
    buckets: [AtomicU64; BUCKETS.len() + 1],
    micros: AtomicU64,
    bytes: AtomicU64,
}

impl Shard {
    /// Counts for so many routes, and for requests that match none.
    pub(crate) fn new(routes: usize) -> Self {
        Self {
            counts: Default::default(),
            routes: (0..=routes).map(|_| RouteCounts::default()).collect(),
        }
    }

    pub(crate) fn count(&self, what: Count) {
        self.add(what, 1);
    }

    pub(crate) fn add(&self, what: Count, amount: u64) {
        self.counts[what as usize].fetch_add(amount, Relaxed);
    }

    /// A request has been answered. Without a route it matched none.
    pub(crate) fn answered(&self, route: Option<usize>, status: u16, took: Duration, bytes: u64) {
        let last = self.routes.len() - 1;
        let counts = &self.routes[route.unwrap_or(last).min(last)];
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        counts.classes[usize::from(status / 100).min(5)].fetch_add(1, Relaxed);
        counts.buckets[BUCKETS.partition_point(|bound| *bound < micros)].fetch_add(1, Relaxed);
        counts.micros.fetch_add(micros, Relaxed);
        counts.bytes.fetch_add(bytes, Relaxed);
    }
}

/// The shards of all threads.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) shards: Vec<Arc<Shard>>,
}

impl Metrics {
    pub(crate) fn new(threads: usize, routes: usize) -> Self {
        Self {
            shards: (0..threads).map(|_| Arc::new(Shard::new(routes))).collect(),
        }
    }

    pub(crate) fn sum(&self, what: Count) -> u64 {
        self.shards
            .iter()
            .map(|shard| shard.counts[what as usize].load(Relaxed))
            .sum()
    }

    fn of_route(&self, route: usize, read: impl Fn(&RouteCounts) -> &AtomicU64) -> u64 {
        self.shards
            .iter()
            .map(|shard| read(&shard.routes[route]).load(Relaxed))
            .sum()
    }

    /// Requests answered, and those of them answered with 5xx, over all routes.
    pub(crate) fn totals(&self) -> (u64, u64) {
        let routes = self.shards.first().map_or(0, |shard| shard.routes.len());
        let class = |class: usize| -> u64 {
            (0..routes)
                .map(|route| self.of_route(route, |counts| &counts.classes[class]))
                .sum()
        };
        ((0..6).map(class).sum(), class(5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_add_up() {
        let metrics = Metrics::new(2, 1);
        metrics.shards[0].answered(Some(0), 200, Duration::from_micros(100), 10);
        metrics.shards[1].answered(Some(0), 503, Duration::from_secs(60), 0);
        metrics.shards[1].answered(None, 404, Duration::ZERO, 5);
        metrics.shards[0].count(Count::Accepted);
        metrics.shards[1].count(Count::Accepted);
        assert_eq!(metrics.totals(), (3, 1));
        assert_eq!(metrics.sum(Count::Accepted), 2);
        assert_eq!(metrics.of_route(0, |counts| &counts.buckets[0]), 1);
        assert_eq!(
            metrics.of_route(0, |counts| &counts.buckets[BUCKETS.len()]),
            1
        );
        assert_eq!(metrics.of_route(1, |counts| &counts.classes[4]), 1);
    }
}

//! What the node counts. Each worker thread counts in a shard of its own, so that a request never
//! waits for another core; shards are added up when somebody asks.

mod render;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;

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
    /// Connections closed at once because their client had too many.
    TurnedAwayByAddress,
    /// Connections closed because a balancer did not say for whom it speaks.
    ProxyRefused,
    /// TLS handshakes that were done.
    Handshakes,
    /// TLS handshakes that failed.
    HandshakesFailed,
    /// Connections closed because too many handshakes were under way.
    HandshakesTurnedAway,
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
    /// By name, so that they outlive a configuration. Locked by reloads and by who asks.
    routes: Mutex<BTreeMap<Arc<str>, Arc<RouteCounts>>>,
}

/// The name under which requests that match no route are counted.
const NO_ROUTE: &str = "-";

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
    fn new() -> Self {
        Self {
            counts: Default::default(),
            routes: Mutex::default(),
        }
    }

    /// The counts of these routes, and last those of requests that match none. Counts of routes that
    /// are gone, their requests too, are forgotten.
    pub(crate) fn of_routes<'a>(
        &self,
        names: impl Iterator<Item = &'a Arc<str>>,
    ) -> Vec<Arc<RouteCounts>> {
        let mut known = self.routes.lock();
        let wanted = names
            .cloned()
            .chain([NO_ROUTE.into()])
            .map(|name| Arc::clone(known.entry(name).or_default()))
            .collect();
        known.retain(|_, counts| Arc::strong_count(counts) > 1);
        wanted
    }

    pub(crate) fn count(&self, what: Count) {
        self.add(what, 1);
    }

    pub(crate) fn add(&self, what: Count, amount: u64) {
        self.counts[what as usize].fetch_add(amount, Relaxed);
    }
}

impl RouteCounts {
    /// A request has been answered.
    pub(crate) fn answered(&self, status: u16, took: Duration, bytes: u64) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.classes[usize::from(status / 100).min(5)].fetch_add(1, Relaxed);
        self.buckets[BUCKETS.partition_point(|bound| *bound < micros)].fetch_add(1, Relaxed);
        self.micros.fetch_add(micros, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
    }
}

/// The shards of all threads.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) shards: Vec<Arc<Shard>>,
}

impl Metrics {
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            shards: (0..threads).map(|_| Arc::new(Shard::new())).collect(),
        }
    }

    pub(crate) fn sum(&self, what: Count) -> u64 {
        self.shards
            .iter()
            .map(|shard| shard.counts[what as usize].load(Relaxed))
            .sum()
    }

    /// The counts of all threads, by route.
    fn by_route(&self) -> BTreeMap<Arc<str>, Vec<Arc<RouteCounts>>> {
        let mut all = BTreeMap::<_, Vec<_>>::new();
        for shard in &self.shards {
            for (name, counts) in &*shard.routes.lock() {
                let of_name = all.entry(Arc::clone(name)).or_default();
                of_name.push(Arc::clone(counts));
            }
        }
        all
    }

    /// Requests answered, and those of them answered with 5xx, over all routes.
    pub(crate) fn totals(&self) -> (u64, u64) {
        let all: Vec<_> = self.by_route().into_values().flatten().collect();
        let class = |class: usize| sum(&all, |counts| &counts.classes[class]);
        ((0..6).map(class).sum(), class(5))
    }
}

fn sum(counts: &[Arc<RouteCounts>], read: impl Fn(&RouteCounts) -> &AtomicU64) -> u64 {
    counts.iter().map(|counts| read(counts).load(Relaxed)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_add_up() {
        let metrics = Metrics::new(2);
        let name: Arc<str> = "a".into();
        let of = |shard: usize| metrics.shards[shard].of_routes([&name].into_iter());
        let (first, second) = (of(0), of(1));
        first[0].answered(200, Duration::from_micros(100), 10);
        second[0].answered(503, Duration::from_secs(60), 0);
        second[1].answered(404, Duration::ZERO, 5);
        metrics.shards[0].count(Count::Accepted);
        metrics.shards[1].count(Count::Accepted);
        assert_eq!(metrics.totals(), (3, 1));
        assert_eq!(metrics.sum(Count::Accepted), 2);
        let routes = metrics.by_route();
        let a = &routes["a"];
        assert_eq!(sum(a, |counts| &counts.buckets[0]), 1);
        assert_eq!(sum(a, |counts| &counts.buckets[BUCKETS.len()]), 1);
        assert_eq!(sum(&routes[NO_ROUTE], |counts| &counts.classes[4]), 1);
    }

    #[test]
    fn counts_outlive_a_configuration_and_not_their_route() {
        let shard = Shard::new();
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let first = shard.of_routes([&a, &b].into_iter());
        first[0].answered(200, Duration::ZERO, 1);
        let second = shard.of_routes([&a].into_iter());
        assert!(Arc::ptr_eq(&first[0], &second[0]));
        assert!(shard.routes.lock().contains_key("b"));
        drop(first);
        drop(shard.of_routes([&a].into_iter()));
        assert!(!shard.routes.lock().contains_key("b"));
    }
}

//! What the node counts. Each worker thread counts in a shard of its own, so that a request never
//! waits for another core; shards are added up when somebody asks.

mod histogram;
mod open;
mod process;
mod render;
mod route;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

pub(crate) use open::{Open, Protocol, Resting};
pub(crate) use render::render;
pub(crate) use route::{Answered, CacheResult, RouteCounts};
pub(crate) use text::Format;

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
    /// Connections, by protocol.
    open: [AtomicU64; Protocol::ALL.len()],
    /// Connections of HTTP/1 between two requests.
    resting: AtomicU64,
    /// By name, so that they outlive a configuration. Locked by reloads and by who asks.
    routes: Mutex<BTreeMap<Arc<str>, Arc<RouteCounts>>>,
}

/// The name under which requests that match no route are counted.
const NO_ROUTE: &str = "-";

impl Shard {
    fn new() -> Self {
        Self {
            counts: Default::default(),
            open: Default::default(),
            resting: AtomicU64::new(0),
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

/// The counts of all threads, by route.
type ByRoute = BTreeMap<Arc<str>, Vec<Arc<RouteCounts>>>;

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

    /// Connections of a protocol that are open.
    fn open(&self, protocol: Protocol) -> u64 {
        let of = |shard: &Arc<Shard>| shard.open[protocol as usize].load(Relaxed);
        self.shards.iter().map(of).sum()
    }

    /// Connections that rest.
    fn resting(&self) -> u64 {
        let of = |shard: &Arc<Shard>| shard.resting.load(Relaxed);
        self.shards.iter().map(of).sum()
    }

    pub(crate) fn sum(&self, what: Count) -> u64 {
        self.shards
            .iter()
            .map(|shard| shard.counts[what as usize].load(Relaxed))
            .sum()
    }

    /// The counts of all threads, by route.
    fn by_route(&self) -> ByRoute {
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
        let answered = |status, bytes| Answered {
            status,
            bytes,
            ..Answered::default()
        };
        first[0].answered(&answered(200, 10));
        second[0].answered(&answered(503, 0));
        second[1].answered(&answered(404, 5));
        metrics.shards[0].count(Count::Accepted);
        metrics.shards[1].count(Count::Accepted);
        assert_eq!(metrics.totals(), (3, 1));
        assert_eq!(metrics.sum(Count::Accepted), 2);
        let routes = metrics.by_route();
        let a = &routes["a"];
        assert_eq!(sum(a, |counts| &counts.classes[5]), 1);
        assert_eq!(sum(a, |counts| &counts.sent), 10);
        assert_eq!(sum(&routes[NO_ROUTE], |counts| &counts.classes[4]), 1);
    }

    #[test]
    fn counts_outlive_a_configuration_and_not_their_route() {
        let shard = Shard::new();
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let first = shard.of_routes([&a, &b].into_iter());
        let second = shard.of_routes([&a].into_iter());
        assert!(Arc::ptr_eq(&first[0], &second[0]));
        assert!(shard.routes.lock().contains_key("b"));
        drop(first);
        drop(shard.of_routes([&a].into_iter()));
        assert!(!shard.routes.lock().contains_key("b"));
    }
}

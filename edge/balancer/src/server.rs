//! What is known of one server.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::latency::Latency;
use crate::micros;
use crate::outlier::Record;

/// A share of a server's full weight is this many parts.
pub(crate) const PARTS: u64 = 1000;
/// The smallest share while a server warms up, in parts: it must be asked now and then.
const LEAST: u64 = 100;

/// One server of an upstream: shared by all threads, kept when the pool around it changes.
#[derive(Debug)]
pub struct Server {
    /// What the hash ring knows it by: the same on all nodes.
    pub(crate) identity: u64,
    pub(crate) weight: u32,
    in_flight: AtomicU32,
    /// How fast it answers.
    pub latency: Latency,
    pub(crate) outlier: Record,
    healthy: AtomicBool,
    /// When it came, or came back, in microseconds; 0: it was there from the start.
    since: AtomicU64,
}

impl Server {
    /// A server of this identity ([`crate::hash`] of its address) and weight, which is at least 1.
    /// One that joins a running pool tells `joined`, and warms up.
    #[must_use]
    pub fn new(identity: u64, weight: u32, joined: Option<Duration>) -> Self {
        Self {
            identity,
            weight: weight.max(1),
            in_flight: AtomicU32::new(0),
            latency: Latency::default(),
            outlier: Record::default(),
            healthy: AtomicBool::new(true),
            since: AtomicU64::new(joined.map_or(0, |at| micros(at).max(1))),
        }
    }

    /// A request goes out.
    pub fn enter(&self) {
        self.in_flight.fetch_add(1, Relaxed);
    }

    /// A request has ended.
    pub fn leave(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// Requests that it is answering.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// What an active check found.
    pub fn set_healthy(&self, healthy: bool, now: Duration) {
        if !self.healthy.swap(healthy, Relaxed) && healthy {
            self.since.store(micros(now).max(1), Relaxed);
        }
    }

    /// What active checks say; true when there are none.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.healthy.load(Relaxed)
    }

    /// Whether it is left out because requests to it failed.
    #[must_use]
    pub fn is_ejected(&self, now: Duration) -> bool {
        self.outlier.is_ejected(now)
    }

    /// Whether it may be asked.
    #[must_use]
    pub fn is_usable(&self, now: Duration) -> bool {
        self.is_healthy() && !self.is_ejected(now)
    }

    /// Ejections so far.
    #[must_use]
    pub fn ejections(&self) -> u64 {
        self.outlier.total()
    }

    /// Its weight, in parts of a thousand a unit; less while it warms up.
    pub(crate) fn share(&self, now: Duration, slow_start: Duration) -> u64 {
        let full = u64::from(self.weight) * PARTS;
        let since = self.since.load(Relaxed).max(self.outlier.returned_at());
        if since == 0 || slow_start.is_zero() {
            return full;
        }
        let passed = u128::from(micros(now).saturating_sub(since));
        let parts = passed * u128::from(PARTS) / slow_start.as_micros().max(1);
        let parts = u64::try_from(parts).unwrap_or(PARTS);
        u64::from(self.weight) * parts.clamp(LEAST, PARTS)
    }

    /// How long a request would wait there, as far as can be guessed.
    pub(crate) fn load(&self, now: Duration) -> u64 {
        let waiting = u64::from(self.in_flight()) + 1;
        self.latency.expected(now).saturating_mul(waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_comes_back_warms_up() {
        let second = Duration::from_secs(1);
        let server = Server::new(1, 2, None);
        assert_eq!(server.share(second, 10 * second), 2 * PARTS);
        server.set_healthy(false, second);
        server.set_healthy(true, 5 * second);
        assert_eq!(server.share(5 * second, 10 * second), 2 * LEAST);
        assert_eq!(server.share(10 * second, 10 * second), PARTS);
        assert_eq!(server.share(60 * second, 10 * second), 2 * PARTS);
        assert_eq!(server.share(5 * second, Duration::ZERO), 2 * PARTS);
        assert_eq!(server.share(6 * second, Duration::from_nanos(1)), 2 * PARTS);
        assert_eq!(
            server.share(Duration::MAX, Duration::from_nanos(1)),
            2 * PARTS
        );
    }
}

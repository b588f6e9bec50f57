//! Latency as a moving average that follows a peak at once and falls back slowly (peak EWMA, as in
//! Finagle and linkerd). While nothing is measured it falls, too, so that a server that was slow is
//! tried again.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::micros;

/// After this long a measurement counts for 1/e.
const DECAY: Duration = Duration::from_secs(10);
/// What is assumed of a server that has not answered yet, in microseconds.
const UNKNOWN: u64 = 1_000;

/// A server's latency. Two threads that measure at once may lose one measurement; that is cheaper
/// than a lock.
#[derive(Debug, Default)]
pub struct Latency {
    /// Microseconds; 0: never measured.
    average: AtomicU64,
    /// When that was, in microseconds.
    at: AtomicU64,
}

impl Latency {
    /// One request took this long.
    pub fn observe(&self, took: Duration, now: Duration) {
        let took = micros(took).max(1);
        let before = self.average.load(Relaxed);
        let average = if took >= before {
            took
        } else {
            let weight = self.weight(now);
            let rest = (before - took) as f64 * weight;
            took.saturating_add(rest as u64)
        };
        self.average.store(average, Relaxed);
        self.at.store(micros(now), Relaxed);
    }

    /// The latency to expect, in microseconds; at least 1.
    #[must_use]
    pub fn expected(&self, now: Duration) -> u64 {
        match self.average.load(Relaxed) {
            0 => UNKNOWN,
            average => ((average as f64 * self.weight(now)) as u64).max(1),
        }
    }

    /// The last average, not decayed.
    #[must_use]
    pub fn average(&self) -> Duration {
        Duration::from_micros(self.average.load(Relaxed))
    }

    /// How much the last average still counts.
    fn weight(&self, now: Duration) -> f64 {
        let passed = micros(now).saturating_sub(self.at.load(Relaxed));
        (-(passed as f64) / DECAY.as_micros() as f64).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_peak_counts_at_once_and_is_forgotten_slowly() {
        let latency = Latency::default();
        assert_eq!(latency.expected(Duration::ZERO), UNKNOWN);
        latency.observe(2 * MS, Duration::ZERO);
        latency.observe(100 * MS, MS);
        assert_eq!(latency.average(), 100 * MS);
        latency.observe(2 * MS, 2 * MS);
        assert!(latency.average() > 99 * MS, "{latency:?}");
        latency.observe(2 * MS, DECAY + 2 * MS);
        assert!(latency.average() < 40 * MS, "{latency:?}");
        let now = DECAY + 2 * MS;
        assert!(latency.expected(now + 10 * DECAY) < latency.expected(now) / 1000);
    }
}

//! How long things took, in buckets.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds of the buckets, in microseconds.
pub(super) const BOUNDS: [u64; 15] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 10_000_000,
];

/// Durations of one thread. The last bucket has no bound.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

/// The durations of several threads together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    /// Each with those of shorter bounds, as Prometheus wants it.
    pub(super) buckets: [u64; BOUNDS.len() + 1],
    pub(super) micros: u64,
}

impl Histogram {
    pub(super) fn add(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.buckets[BOUNDS.partition_point(|bound| *bound < micros)].fetch_add(1, Relaxed);
        self.micros.fetch_add(micros, Relaxed);
    }
}

impl Sum {
    pub(super) fn of<'a>(all: impl Iterator<Item = &'a Histogram>) -> Self {
        let mut sum = Self::default();
        for histogram in all {
            let mut below = 0;
            for (total, bucket) in sum.buckets.iter_mut().zip(&histogram.buckets) {
                below += bucket.load(Relaxed);
                *total += below;
            }
            sum.micros += histogram.micros.load(Relaxed);
        }
        sum
    }
}

/// Microseconds as seconds, exactly.
pub(super) fn seconds(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_what_is_below() {
        let (a, b) = (Histogram::default(), Histogram::default());
        a.add(Duration::from_micros(100));
        a.add(Duration::from_micros(101));
        b.add(Duration::from_mins(1));
        let sum = Sum::of([&a, &b].into_iter());
        assert_eq!(
            (
                sum.buckets[0],
                sum.buckets[1],
                sum.buckets[14],
                sum.buckets[15]
            ),
            (1, 2, 2, 3)
        );
        assert_eq!(sum.micros, 60_000_201);
    }

    #[test]
    fn seconds_are_exact() {
        for (micros, text) in [
            (0, "0"),
            (100, "0.0001"),
            (2_500_000, "2.5"),
            (10_000_000, "10"),
        ] {
            assert_eq!(seconds(micros), text);
        }
    }
}

//! Servers that fail are left out for a while, longer each time.
//!
//! Two things put a server out: so many failures one after another, and a share of failures in an
//! interval that is both above a bound and above what the other servers have (when all fail alike,
//! it is not the server). No more than a part of a pool is put out.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::micros;
use crate::server::Server;

/// When servers are put out.
#[derive(Clone, Debug)]
pub struct OutlierConfig {
    /// Failures one after another; 0: they do not count.
    pub consecutive_failures: u32,
    /// The share of failures in an interval, 0 to 1; above 1: it does not count.
    pub failure_ratio: f64,
    /// Requests in an interval for its share to count.
    pub min_requests: u32,
    /// How often shares are looked at.
    pub interval: Duration,
    /// How long a server is out the first time; twice as long each further time.
    pub base_ejection: Duration,
    /// How long at most.
    pub max_ejection: Duration,
    /// How much of a pool may be out, in percent of its servers.
    pub max_ejected_percent: u32,
}

impl Default for OutlierConfig {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            failure_ratio: 0.5,
            min_requests: 20,
            interval: Duration::from_secs(10),
            base_ejection: Duration::from_secs(10),
            max_ejection: Duration::from_mins(5),
            max_ejected_percent: 50,
        }
    }
}

/// What is remembered of one server.
#[derive(Debug, Default)]
pub(crate) struct Record {
    in_a_row: AtomicU32,
    good: AtomicU32,
    failed: AtomicU32,
    /// Microseconds; 0: never.
    ejected_until: AtomicU64,
    /// How often it was put out without a good time in between.
    level: AtomicU32,
    total: AtomicU64,
}

impl Record {
    pub(crate) fn is_ejected(&self, now: Duration) -> bool {
        let until = self.ejected_until.load(Relaxed);
        until != 0 && micros(now) < until
    }

    /// When it was last let in again; 0: it was never out.
    pub(crate) fn returned_at(&self) -> u64 {
        self.ejected_until.load(Relaxed)
    }

    pub(crate) fn total(&self) -> u64 {
        self.total.load(Relaxed)
    }

    /// Notes an answer; true when it is one failure too many.
    pub(crate) fn note(&self, config: &OutlierConfig, good: bool) -> bool {
        if good {
            // Mostly nothing is to be written, so that cores need not fight for the line.
            if self.in_a_row.load(Relaxed) != 0 {
                self.in_a_row.store(0, Relaxed);
            }
            self.good.fetch_add(1, Relaxed);
            return false;
        }
        self.failed.fetch_add(1, Relaxed);
        let in_a_row = self.in_a_row.fetch_add(1, Relaxed) + 1;
        config.consecutive_failures != 0 && in_a_row >= config.consecutive_failures
    }

    fn eject(&self, config: &OutlierConfig, now: Duration) {
        let level = self.level.fetch_add(1, Relaxed).min(16);
        let time = config.base_ejection.saturating_mul(1 << level);
        let until = now + time.min(config.max_ejection);
        self.ejected_until.store(micros(until).max(1), Relaxed);
        self.in_a_row.store(0, Relaxed);
        self.total.fetch_add(1, Relaxed);
    }

    /// Takes what the interval has counted.
    fn take(&self) -> (u32, u32) {
        (self.good.swap(0, Relaxed), self.failed.swap(0, Relaxed))
    }
}

/// Puts a server out, unless too many are.
pub(crate) fn eject<'a>(
    config: &OutlierConfig,
    server: &Server,
    all: impl Iterator<Item = &'a Server> + Clone,
    now: Duration,
) -> bool {
    if server.is_ejected(now) {
        return false;
    }
    let count = all.clone().count() as u64;
    let out = all.filter(|server| server.is_ejected(now)).count() as u64;
    if (out + 1) * 100 > count * u64::from(config.max_ejected_percent.min(100)) {
        return false;
    }
    server.outlier.eject(config, now);
    true
}

/// Looks at the shares of the interval that has ended; how many servers were put out.
pub(crate) fn look<'a>(
    config: &OutlierConfig,
    all: impl Iterator<Item = &'a Server> + Clone,
    now: Duration,
) -> usize {
    let counted: Vec<(&Server, u32, u32)> = all
        .clone()
        .map(|server| {
            let (good, failed) = server.outlier.take();
            (server, good, failed)
        })
        .collect();
    let (sum, sum_failed) = counted.iter().fold((0_u64, 0_u64), |sum, (_, good, bad)| {
        let (good, bad) = (u64::from(*good), u64::from(*bad));
        (sum.0 + good + bad, sum.1 + bad)
    });
    let mut ejected = 0;
    for (server, good, failed) in counted {
        let requests = good.saturating_add(failed);
        if server.is_ejected(now) || requests == 0 {
            continue;
        }
        let ratio = f64::from(failed) / f64::from(requests);
        let others = sum - u64::from(requests);
        let elsewhere = match others {
            0 => 1.0,
            others => (sum_failed - u64::from(failed)) as f64 / others as f64,
        };
        if requests >= config.min_requests && ratio >= config.failure_ratio && ratio > elsewhere {
            ejected += usize::from(eject(config, server, all.clone(), now));
        } else if failed == 0 {
            let level = server.outlier.level.load(Relaxed);
            server.outlier.level.store(level.saturating_sub(1), Relaxed);
        }
    }
    ejected
}

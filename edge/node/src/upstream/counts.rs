//! What is counted of an upstream and of each of its servers.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::count;

/// What happened at an upstream.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Requests sent.
    pub(crate) requests: AtomicU64,
    /// Connections made.
    pub(crate) connections: AtomicU64,
    /// Requests sent again, after a stale connection or to another server.
    pub(crate) retries: AtomicU64,
    /// Retries that the budget did not allow.
    pub(crate) over_budget: AtomicU64,
    /// Requests sent to a second server because the first was slow.
    pub(crate) hedges: AtomicU64,
    /// Connections that could not be made.
    pub(crate) connect_errors: AtomicU64,
    /// Answers that did not come, or stopped coming, in time.
    pub(crate) timeouts: AtomicU64,
    /// Answers that broke off or were not HTTP.
    pub(crate) broken: AtomicU64,
    /// Requests turned away because too many were in flight.
    pub(crate) saturated: AtomicU64,
    /// Requests turned away because the breaker was open.
    pub(crate) breaker_open: AtomicU64,
    /// Look-ups of names that failed.
    pub(crate) dns_errors: AtomicU64,
}

/// How a request can fail at a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No connection.
    Connect,
    /// No answer in time, or it stopped coming.
    Timeout,
    /// The connection ended, or what came was not HTTP.
    Broken,
    /// 502, 503 or 504.
    Status,
}

/// Their names, in the order of [`Failure`].
pub(crate) const FAILURES: [&str; 4] = ["connect", "timeout", "broken", "status"];

/// What happened at one server.
#[derive(Debug, Default)]
pub(crate) struct ServerCounts {
    /// Requests sent.
    pub(crate) requests: AtomicU64,
    /// By [`Failure`].
    pub(crate) failures: [AtomicU64; FAILURES.len()],
    /// Microseconds until the heads of answers, in all.
    pub(crate) micros: AtomicU64,
    /// Heads of answers.
    pub(crate) answers: AtomicU64,
    /// Unused connections kept, over all threads.
    pub(crate) idle: AtomicU64,
    /// Checks that were good, and that were not.
    pub(crate) checks: [AtomicU64; 2],
}

impl ServerCounts {
    pub(super) fn failed(&self, failure: Failure) {
        count(&self.failures[failure as usize]);
    }

    pub(super) fn answered(&self, took: Duration) {
        count(&self.answers);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Relaxed);
    }
}

//! When a request is sent again, and when the upstream is left alone.

use std::time::Duration;

use serde::Deserialize;

use crate::config::quantity;

/// After what a request may be sent to another server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum RetryOn {
    /// No connection could be made: whatever the request is.
    #[serde(rename = "connect")]
    Connect,
    /// The connection ended, or was not HTTP, before there was an answer.
    #[serde(rename = "reset")]
    Reset,
    /// There was no answer in time.
    #[serde(rename = "timeout")]
    Timeout,
    /// The answer is 502, 503 or 504.
    #[serde(rename = "5xx")]
    ServerError,
}

/// `[upstreams.<name>.breaker]`: when the upstream as a whole is not asked.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Breaker {
    /// The share of failures.
    #[serde(deserialize_with = "quantity::ratio")]
    pub failure_ratio: f64,
    /// Requests within the window for the share to count.
    #[serde(deserialize_with = "quantity::at_least_one")]
    pub min_requests: u32,
    /// The time over which the share is taken.
    #[serde(deserialize_with = "quantity::positive")]
    pub window: Duration,
    /// How long nothing is sent.
    #[serde(deserialize_with = "quantity::positive")]
    pub open_for: Duration,
    /// Requests that are sent to try it afterwards, and that must all succeed.
    #[serde(deserialize_with = "quantity::at_least_one")]
    pub probes: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            failure_ratio: 0.5,
            min_requests: 20,
            window: Duration::from_secs(10),
            open_for: Duration::from_secs(5),
            probes: 3,
        }
    }
}

pub(super) fn retry_on() -> Vec<RetryOn> {
    vec![RetryOn::Connect, RetryOn::Reset]
}

pub(super) fn ratio() -> f64 {
    0.2
}

pub(super) fn min_per_second() -> u32 {
    10
}

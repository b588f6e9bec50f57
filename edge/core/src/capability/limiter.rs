//! Rate limits.

use std::fmt;
use std::time::Duration;

/// One limit that a request is measured against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is counted, for example `ip:203.0.113.7`. 1 to 512 bytes.
    pub key: String,
    /// Requests allowed a period, at a steady rate. At least 1.
    pub count: u32,
    /// The period. At least a millisecond.
    pub period: Duration,
    /// Requests allowed at once. At least 1.
    pub burst: u32,
    /// How many requests this one counts as; 0 only looks.
    pub cost: u32,
}

/// What the limiter says of one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether this limit allows the request.
    pub allowed: bool,
    /// Whole requests that would still be allowed at once.
    pub remaining: u32,
    /// Time until the key is as good as new.
    pub reset_after: Duration,
    /// Time until this request would be allowed; zero when it is.
    pub retry_after: Duration,
}

/// Measures requests against limits by the generic cell rate algorithm (see [`crate::gcra`]).
#[expect(
    async_fn_in_trait,
    reason = "every host of a filter is single-threaded per instance"
)]
pub trait Limiter {
    /// Measures one request against up to 16 limits. It is counted against all of them when all
    /// allow it, else against none. The decisions come in the order of the limits.
    ///
    /// # Errors
    ///
    /// See [`LimiterError`]; nothing was counted.
    async fn check(&self, limits: &[Limit]) -> Result<Vec<Decision>, LimiterError>;
}

/// Why limits could not be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LimiterError {
    /// A limit breaks the bounds; the text names which.
    Invalid(String),
    /// The counters cannot be reached.
    Unavailable(String),
}

impl fmt::Display for LimiterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(why) => write!(f, "invalid limit: {why}"),
            Self::Unavailable(why) => write!(f, "limiter unavailable: {why}"),
        }
    }
}

impl std::error::Error for LimiterError {}

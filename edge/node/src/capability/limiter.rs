//! Rate limits for filters.

use zephyr_edge_core::capability::{Decision, Limit, LimiterError};

use super::Answer;

/// Measures requests against limits. Keys are full: they hold what separates one stage's counters
/// from another's.
pub trait RateLimiter: Send + Sync {
    /// Counts a request against all limits when all allow it, else against none. The limits are
    /// within the bounds of `wit/filter.wit`.
    fn check<'a>(&'a self, limits: &'a [Limit]) -> Answer<'a, Result<Vec<Decision>, LimiterError>>;
}

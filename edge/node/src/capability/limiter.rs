//! Rate limits for filters, by the generic cell rate algorithm of `zephyr_edge_core::gcra`: counted
//! in this process, or on a Redis server that all nodes of a site share.

mod memory;
mod redis;

use zephyr_edge_core::capability::{Decision, Limit, LimiterError};

pub use self::memory::MemoryLimiter;
pub use self::redis::{RedisLimiter, RedisOptions};
use super::Answer;

/// Measures requests against limits. Keys are full: they hold what separates one component's
/// counters from another's.
pub trait RateLimiter: Send + Sync {
    /// Counts a request against all limits when all allow it, else against none. The decisions come
    /// in the order of the limits.
    fn check<'a>(&'a self, limits: &'a [Limit]) -> Answer<'a, Result<Vec<Decision>, LimiterError>>;
}

//! Which server of an upstream is asked next, and when none is.
//!
//! * [`pool`]: the servers of an upstream, and who of them is in question
//! * [`policy`]: how one is chosen: two random ones compared, fewest requests, a hash ring, in turn
//! * [`server`]: what is known of one server: weight, requests in flight, latency, health
//! * [`latency`]: a moving average that follows peaks at once
//! * [`outlier`]: servers that fail are left out for a while
//! * [`breaker`]: an upstream that fails is not asked for a while
//! * [`budget`]: how many requests may be sent again
//!
//! No I/O. Time comes in as a value, the time since any fixed moment, and so does randomness. All
//! state is in atomics or behind short locks, so that worker threads share it.

pub mod breaker;
pub mod budget;
pub mod latency;
pub mod outlier;
pub mod policy;
pub mod pool;
pub mod ring;
pub mod round_robin;
pub mod server;

pub use breaker::{Admission, Breaker, BreakerConfig, BreakerState};
pub use budget::{Budget, BudgetConfig};
pub use outlier::OutlierConfig;
pub use policy::Policy;
pub use pool::{Ask, Pool};
pub use server::Server;

use std::time::Duration;

/// Microseconds, for an atomic.
pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Scatters a number's bits (the finalizer of splitmix64).
#[must_use]
pub fn scatter(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The hash of a text, the same on all nodes and versions: FNV-1a, scattered. It only spreads load;
/// a client that chooses its own key can only choose its own server.
#[must_use]
pub fn hash(bytes: &[u8]) -> u64 {
    let fnv = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    scatter(fnv)
}

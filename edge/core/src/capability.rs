//! What a filter may ask of its host. Each capability is a trait of its own; [`Host`] is all of
//! them, and every host implements every one.

mod clock;
mod kv;
mod limiter;
mod log;
mod random;
mod signatures;

pub use clock::Clock;
pub use kv::{Kv, KvError};
pub use limiter::{Decision, Limit, Limiter, LimiterError};
pub use log::{Level, Log};
pub use random::Random;
pub use signatures::{Algorithm, KeyError, Signatures};

/// All capabilities of a filter.
pub trait Host: Clock + Kv + Limiter + Log + Random + Signatures {}

impl<T: Clock + Kv + Limiter + Log + Random + Signatures> Host for T {}

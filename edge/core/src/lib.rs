//! The pure core of the edge: what a filter is, what it sees, what it says and what it may ask of
//! its host. No I/O, no runtime and no clock of its own, so that the same policy runs as a
//! component on Zephyr's node and linked into a Spin component or a Cloudflare Worker.
//!
//! A policy implements [`Filter`] over the traits [`Exchange`] and [`Host`]. Both are generic
//! parameters: on a node's guest they are thin wrappers of the world `zephyr:edge/filter`, elsewhere
//! they map to what the host has.

pub mod cache_policy;
pub mod capability;
pub mod config;
pub mod exchange;
pub mod field;
pub mod filter;
pub mod gcra;
pub mod pattern;
pub mod problem;
pub mod target;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod verdict;

pub use cache_policy::CachePolicy;
pub use capability::Host;
pub use exchange::Exchange;
pub use field::HeaderError;
pub use filter::{ConfigError, Filter, Phases};
pub use problem::Problem;
pub use target::Target;
pub use verdict::{Reply, Verdict};

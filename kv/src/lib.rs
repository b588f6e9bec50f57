//! Keys, values and counters: one API, [`Store`], over three back ends.
//!
//! | back end | lives in | for |
//! |---|---|---|
//! | [`Memory`] | this process | one node, tests, caches of decisions |
//! | [`Redb`] | one file | one node that keeps its keys over a restart |
//! | [`Redis`] | a server | all nodes of a site |
//!
//! All three behave alike, which `tests/contract.rs` checks on each: keys are ordered by their
//! bytes, a value that has expired is as good as absent, and every operation is atomic. Name spaces
//! are the caller's: it puts its own prefix before its keys.

pub mod bounds;
pub mod clock;
mod config;
mod counter;
mod error;
pub mod memory;
pub mod redb;
pub mod redis;
mod store;

pub use self::redb::Redb;
pub use self::redis::Redis;
pub use clock::Clock;
pub use config::Config;
pub use error::{Error, Source};
pub use memory::Memory;
pub use store::{Page, Store};

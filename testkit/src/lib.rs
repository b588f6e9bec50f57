//! What tests run on: real databases, real servers, real components.
//!
//! Tests run below `cargo xtask test`, or for one crate below
//! `cargo run -p zephyr-testkit --bin with-services -- cargo nextest run -p zephyr-auth`: those start
//! PostgreSQL and Redis once for all tests. Every test gets a database of its own.

pub mod components;
pub mod composition;
pub mod database;
pub mod origin;
pub mod redis;

pub use database::TestDb;
pub use origin::{TestOrigin, User};

/// The variable with the URL of PostgreSQL.
pub const DATABASE_URL: &str = "ZEPHYR_TEST_DATABASE_URL";
/// The variable with the URL of Redis.
pub const REDIS_URL: &str = "ZEPHYR_TEST_REDIS_URL";

/// A variable that `with-services` sets.
///
/// # Panics
///
/// It is not set.
#[must_use]
pub fn service_url(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set: run `cargo xtask test`, which starts what tests need")
    })
}

//! Limits request rates at the edge.
//!
//! A stage holds up to 16 limits. Each says what it counts by (client address, user, API key, route,
//! a field), how many requests a period, and how many at once. A request is measured against all
//! limits that apply to it in one call to the host, and is counted against all of them or none.
//!
//! | request | answer |
//! |---|---|
//! | no limit applies | goes on, nothing is said |
//! | all limits allow it | goes on, with `RateLimit-Policy` and `RateLimit` on the answer to come |
//! | a limit refuses it | 429 with the same fields and `Retry-After` |
//! | the counters cannot be reached | `on_unavailable`: 503, or goes on |
//!
//! The fields are those of draft-ietf-httpapi-ratelimit-headers-11. They are *added* to the answer, as
//! members of a list, so that two stages (one by address before `auth`, one by user after it) both
//! show.

mod config;
mod fields;
mod key;
mod policy;

pub use policy::RateLimit;

#[cfg(all(feature = "filter", target_family = "wasm", target_os = "wasi"))]
zephyr_edge_guest::export_filter!(RateLimit);

#[cfg(all(feature = "middleware", target_family = "wasm", target_os = "wasi"))]
zephyr_edge_middleware::export_middleware!(RateLimit);

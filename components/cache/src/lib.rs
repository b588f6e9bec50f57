//! Sets the cache policy of a route at the edge: what makes two requests the same, how long an answer
//! is fresh, under which keys it is purged, and when the cache is left out.
//!
//! | phase | what is said there |
//! |---|---|
//! | on request | bypass; the query without what does not matter; further parts of the key |
//! | on upstream | lifetimes by status; surrogate keys |
//!
//! What only matters to storing is said on upstream, which a cached hit never reaches. A stage that
//! sets neither lifetimes nor surrogate keys does not ask for that phase at all.
//!
//! **The query.** Parameters that are dropped are dropped from what the upstream is asked, too
//! (`forward_query = "clean"`). If it still saw them it could answer by them, and that answer would be
//! served to everybody: a parameter outside the key that the origin reflects is how caches get
//! poisoned. `"original"` is for origins that must see them and are known to ignore them.
//!
//! Only requests of `GET` and `HEAD` have their query cleaned.

mod config;
mod glob;
mod policy;
mod query;
mod rule;

pub use policy::Cache;

#[cfg(all(feature = "filter", target_family = "wasm", target_os = "wasi"))]
zephyr_edge_guest::export_filter!(Cache);

#[cfg(all(feature = "middleware", target_family = "wasm", target_os = "wasi"))]
zephyr_edge_middleware::export_middleware!(Cache);

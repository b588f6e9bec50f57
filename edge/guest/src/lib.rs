//! Exports a [`Filter`](zephyr_edge_core::Filter) as a component of the world `zephyr:edge/filter`.
//!
//! A component crate needs one line, and `crate-type = ["cdylib", "rlib"]`:
//!
//! ```ignore
//! zephyr_edge_guest::export_filter!(MyPolicy);
//! ```
//!
//! Build it with `--target wasm32-wasip2`. One instance holds one policy and serves one call at a
//! time; the node keeps a pool of instances.

#[doc(hidden)]
pub mod bindings;
mod exchange;
mod export;
mod host;

#[doc(hidden)]
pub use bindings::{
    Guest,
    zephyr::edge::{http_exchange::Exchange as Handle, types},
};
#[doc(hidden)]
pub use export::Slot;

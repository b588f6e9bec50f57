//! The edge node: listener, router, pipeline, cache and upstreams.

pub mod body;
pub mod capability;
pub mod error;
pub mod exchange;
pub mod wasm;

//! The edge node: listener, router, pipeline, cache and upstreams.

pub mod body;
pub mod error;
pub mod exchange;

//! A filter that does nothing: what a stage costs by itself.

use zephyr_edge_core::{ConfigError, Filter, Phases};

/// Says "next".
#[derive(Debug)]
pub struct Noop;

impl Filter for Noop {
    fn configure(_json: &str) -> Result<(Self, Phases), ConfigError> {
        Ok((Self, Phases::REQUEST))
    }
}

#[cfg(all(target_family = "wasm", target_os = "wasi"))]
zephyr_edge_guest::export_filter!(Noop);

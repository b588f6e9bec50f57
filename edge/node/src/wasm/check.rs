//! Has a filter judge a configuration, without a node.

use std::sync::Arc;

use super::{Limits, PoolSize, Runtime, RuntimeOptions};
use crate::capability::limiter::MemoryLimiter;
use crate::capability::{Capabilities, SignatureVerifier};

/// Loads a filter and gives it a stage's configuration.
///
/// # Errors
///
/// What is wrong with the component or, in its own words, with the configuration.
pub fn check_filter(name: &str, component: &[u8], config_json: &str) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let kv = runtime
        .block_on(zephyr_kv::Config::default().open())
        .map_err(|error| error.to_string())?;
    let capabilities = Capabilities {
        kv,
        limiter: Arc::new(MemoryLimiter::new(1)),
        signatures: Arc::new(SignatureVerifier::new(1)),
    };
    let mut options = RuntimeOptions::new(capabilities);
    let small = PoolSize {
        instances: 2,
        memory: Limits::default().memory,
    };
    (options.filters, options.services) = (small, small);
    let host = Runtime::new(options).map_err(|error| error.to_string())?;
    let limits = Limits {
        max_instances: 1,
        ..Limits::default()
    };
    let filter = host
        .load_filter(name, component, limits)
        .map_err(|error| error.to_string())?;
    filter
        .stage(config_json)
        .map(drop)
        .map_err(|error| error.to_string())
}

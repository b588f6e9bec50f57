//! `[limiter]`: where rate limits are counted.

use serde::Deserialize;

use super::quantity;

/// Where rate limits are counted.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limiter {
    /// Where the counters are.
    pub backend: LimiterBackend,
    /// Keys remembered at most, in memory.
    #[serde(deserialize_with = "quantity::at_least_one")]
    pub max_keys: u32,
}

impl Default for Limiter {
    fn default() -> Self {
        Self {
            backend: LimiterBackend::Memory,
            max_keys: 1_000_000,
        }
    }
}

/// Where the counters are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LimiterBackend {
    /// In the node's memory.
    #[default]
    Memory,
    /// In Redis, shared by all nodes of a site.
    Redis,
}

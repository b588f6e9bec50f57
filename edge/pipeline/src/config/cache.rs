//! `[cache]`: the response cache.

use std::time::Duration;

use serde::Deserialize;

use super::quantity::{self, Size};

/// The response cache.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheSection {
    /// What all stored answers may take.
    pub max_bytes: Size,
    /// Larger answers pass through unstored.
    pub max_object_bytes: Size,
    /// Answers kept per URL for different `Vary` fields.
    #[serde(deserialize_with = "quantity::at_least_one")]
    pub max_variants: u32,
    /// How long a miss waits for another one's answer.
    #[serde(deserialize_with = "quantity::duration")]
    pub collapse_timeout: Duration,
}

impl Default for CacheSection {
    fn default() -> Self {
        Self {
            max_bytes: Size::mib(256),
            max_object_bytes: Size::mib(16),
            max_variants: 32,
            collapse_timeout: Duration::from_secs(10),
        }
    }
}

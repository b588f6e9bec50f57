//! `[control]`: the origin that the node joins.

use std::time::Duration;

use serde::Deserialize;

use super::quantity;
use super::upstream::Origin;

/// The origin that the node joins.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// Where the origin is.
    pub url: Origin,
    /// The environment variable that holds the token; its value is passed in at start.
    pub token_env: Option<String>,
    /// How often the node reports.
    #[serde(default = "heartbeat", deserialize_with = "quantity::positive")]
    pub heartbeat: Duration,
}

fn heartbeat() -> Duration {
    Duration::from_secs(5)
}

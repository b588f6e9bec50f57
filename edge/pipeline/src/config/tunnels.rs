//! `[tunnels]`: bounds on connections that an upgrade (WebSocket) has turned into tunnels.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::quantity;

/// Bounds on connections that an upgrade has turned into tunnels.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tunnels {
    /// Open at once over all threads; above it a handshake gets 503.
    #[serde(deserialize_with = "quantity::at_least_one")]
    pub max: u32,
    /// A tunnel in which nothing moves for so long is cut.
    #[serde(deserialize_with = "quantity::positive")]
    pub idle_timeout: Duration,
    /// A tunnel is cut after so long, whatever moves; none: never.
    #[serde(deserialize_with = "some_duration")]
    pub max_lifetime: Option<Duration>,
}

impl Default for Tunnels {
    fn default() -> Self {
        Self {
            max: 10_000,
            idle_timeout: Duration::from_secs(600),
            max_lifetime: None,
        }
    }
}

fn some_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    quantity::positive(deserializer).map(Some)
}

//! `[dns]`: how names of upstreams are looked up.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

use super::quantity;

/// How names of upstreams are looked up.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dns {
    /// Name servers, in place of the system's.
    pub servers: Vec<SocketAddr>,
    /// For a whole look-up.
    #[serde(deserialize_with = "quantity::positive")]
    pub timeout: Duration,
    /// Addresses are used at least this long, whatever their record says.
    #[serde(deserialize_with = "quantity::positive")]
    pub min_ttl: Duration,
    /// And this long at most.
    #[serde(deserialize_with = "quantity::positive")]
    pub max_ttl: Duration,
    /// When a look-up has failed, the next one comes after this.
    #[serde(deserialize_with = "quantity::positive")]
    pub retry: Duration,
}

impl Default for Dns {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            timeout: Duration::from_secs(5),
            min_ttl: Duration::from_secs(1),
            max_ttl: Duration::from_mins(5),
            retry: Duration::from_secs(2),
        }
    }
}

//! Which server of an upstream is asked, and when one that fails is left out.

use std::time::Duration;

use http::HeaderName;
use serde::{Deserialize, Deserializer};

use crate::config::quantity;

/// How a server is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyName {
    /// Of two random ones the one with less latency times requests in flight.
    #[default]
    P2c,
    /// The one with the fewest requests in flight for its weight.
    LeastConnections,
    /// By a hash of the request.
    RingHash,
    /// In turn, by weight.
    RoundRobin,
}

/// What of a request a hash ring goes by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HashBy {
    /// The client's address.
    #[default]
    Ip,
    /// The path, without the query.
    Path,
    /// A field of the request; the client's address when it is not there.
    Header(HeaderName),
}

impl<'de> Deserialize<'de> for HashBy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let header = || text.strip_prefix("header:")?.parse().ok().map(Self::Header);
        match &*text {
            "ip" => Ok(Self::Ip),
            "path" => Ok(Self::Path),
            _ => header().ok_or_else(|| {
                serde::de::Error::custom(format!(
                    "{text:?} is not one of \"ip\", \"path\" and \"header:<name>\""
                ))
            }),
        }
    }
}

/// When a server that fails is left out.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outlier {
    /// Failures one after another; 0: they do not count.
    pub consecutive_failures: u32,
    /// The share of failures in an interval, when above that of the other servers.
    #[serde(deserialize_with = "quantity::ratio")]
    pub failure_ratio: f64,
    /// Requests in an interval for its share to count.
    pub min_requests: u32,
    /// How often shares are looked at.
    #[serde(deserialize_with = "quantity::positive")]
    pub interval: Duration,
    /// How long a server is out the first time; twice as long each further time.
    #[serde(deserialize_with = "quantity::positive")]
    pub base_ejection: Duration,
    /// How long at most.
    #[serde(deserialize_with = "quantity::positive")]
    pub max_ejection: Duration,
    /// How many of the servers may be out, in percent; 0: none ever is.
    pub max_ejected_percent: u32,
}

impl Default for Outlier {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            failure_ratio: 0.5,
            min_requests: 20,
            interval: Duration::from_secs(10),
            base_ejection: Duration::from_secs(10),
            max_ejection: Duration::from_mins(5),
            max_ejected_percent: 50,
        }
    }
}

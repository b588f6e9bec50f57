//! `[upstreams.<name>.health]`: checks in the background.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::config::quantity;

/// What a check does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthKind {
    /// A GET that must be answered with an expected status.
    Http,
    /// A connection that must be accepted.
    Tcp,
}

/// Checks of every server.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthCheck {
    /// What a check does.
    pub kind: HealthKind,
    /// What is asked for, over HTTP.
    #[serde(default = "path", deserialize_with = "target")]
    pub path: http::uri::PathAndQuery,
    /// From one check to the next.
    #[serde(default = "interval", deserialize_with = "quantity::positive")]
    pub interval: Duration,
    /// For a whole check.
    #[serde(default = "timeout", deserialize_with = "quantity::positive")]
    pub timeout: Duration,
    /// Good checks in a row until a server is asked again.
    #[serde(default = "two", deserialize_with = "quantity::at_least_one")]
    pub healthy_threshold: u32,
    /// Bad checks in a row until it is not.
    #[serde(default = "three", deserialize_with = "quantity::at_least_one")]
    pub unhealthy_threshold: u32,
    /// Statuses of a good answer.
    #[serde(default = "expect")]
    pub expect: Vec<u16>,
}

fn target<'de, D: Deserializer<'de>>(deserializer: D) -> Result<http::uri::PathAndQuery, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parsed = text.starts_with('/').then(|| text.parse().ok()).flatten();
    parsed.ok_or_else(|| {
        serde::de::Error::custom(format!("{text:?} is not a path such as \"/healthz\""))
    })
}

fn path() -> http::uri::PathAndQuery {
    http::uri::PathAndQuery::from_static("/")
}

fn interval() -> Duration {
    Duration::from_secs(5)
}

fn timeout() -> Duration {
    Duration::from_secs(2)
}

fn two() -> u32 {
    2
}

fn three() -> u32 {
    3
}

fn expect() -> Vec<u16> {
    vec![200]
}

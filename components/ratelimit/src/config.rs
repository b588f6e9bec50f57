//! The configuration of a `ratelimit` stage.

use std::time::Duration;

use serde::Deserialize;
use zephyr_edge_core::capability::{Limit, LimiterError};
use zephyr_edge_core::pattern::{Methods, PathPattern, RequestMatch};
use zephyr_edge_core::{ConfigError, config, field, gcra};

use crate::fields::Item;
use crate::key::{Keys, Part};

/// The keys as they are written. `docs/filters.md` repeats them for operators.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    /// 1 to 16 limits. Required.
    limits: Vec<RawLimit>,
    /// The request field that holds an API key. Default "x-api-key".
    #[serde(default = "default_api_key_header")]
    api_key_header: String,
    /// Bits of an IPv6 address that count as one client. Default 64; 32 to 128.
    #[serde(default = "default_ipv6_prefix")]
    ipv6_prefix: u8,
    /// Whether answers carry `RateLimit-Policy` and `RateLimit`. Default true.
    #[serde(default = "default_headers")]
    headers: bool,
    /// What happens when the counters cannot be reached. Default "closed".
    #[serde(default)]
    on_unavailable: OnUnavailable,
}

/// One limit.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLimit {
    /// Its name in `RateLimit` fields. 1 to 64 of a-z, A-Z, 0-9, "-", "_", "."; unique. Required.
    name: String,
    /// What is counted by; all parts together. Required.
    key: Vec<Part>,
    /// Requests a period. Required.
    count: u32,
    /// The period. Required.
    #[serde(deserialize_with = "config::duration")]
    period: Duration,
    /// Requests at once. Default: `count`.
    burst: Option<u32>,
    /// How many requests one counts as. Default 1.
    #[serde(default = "default_cost")]
    cost: u32,
    /// Only requests of these methods. Default: all.
    methods: Option<Methods>,
    /// Only requests on these paths. Default: all.
    paths: Option<Vec<PathPattern>>,
    /// "ip": the client's address takes the place of a part that a request lacks. Default: the
    /// limit does not apply to such a request.
    fallback: Option<Fallback>,
}

/// What takes the place of a missing part.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Fallback {
    Ip,
}

/// What happens when the counters cannot be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnUnavailable {
    /// The request goes on uncounted.
    Open,
    /// The request gets 503.
    #[default]
    Closed,
}

fn default_api_key_header() -> String {
    "x-api-key".to_owned()
}

fn default_ipv6_prefix() -> u8 {
    64
}

fn default_headers() -> bool {
    true
}

fn default_cost() -> u32 {
    1
}

/// A checked configuration.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) limits: Vec<ConfiguredLimit>,
    pub(crate) keys: Keys,
    pub(crate) headers: bool,
    pub(crate) on_unavailable: OnUnavailable,
}

/// A checked limit.
#[derive(Debug)]
pub(crate) struct ConfiguredLimit {
    pub(crate) name: String,
    pub(crate) on: RequestMatch,
    pub(crate) parts: Vec<Part>,
    pub(crate) fallback_to_ip: bool,
    /// What the keys begin with. It holds the numbers too: a changed limit starts afresh, and two
    /// limits of one name and other numbers do not write over each other.
    pub(crate) prefix: String,
    pub(crate) count: u32,
    pub(crate) period: Duration,
    pub(crate) burst: u32,
    pub(crate) cost: u32,
    pub(crate) item: Item,
}

impl Config {
    pub(crate) fn read(json: &str) -> Result<Self, ConfigError> {
        let raw: Raw = config::read(json)?;
        let fail = |why: &str| Err(ConfigError::new(why));
        if raw.limits.is_empty() || raw.limits.len() > gcra::MAX_LIMITS {
            return fail("limits: must hold 1 to 16 limits");
        }
        if !(32..=128).contains(&raw.ipv6_prefix) {
            return fail("ipv6_prefix: must be 32 to 128");
        }
        if field::check_name(&raw.api_key_header).is_err() {
            return fail("api_key_header: is not the name of a field");
        }
        let mut limits: Vec<ConfiguredLimit> = Vec::with_capacity(raw.limits.len());
        for (index, limit) in raw.limits.into_iter().enumerate() {
            let at = |why: String| ConfigError::new(format!("limits[{index}].{why}"));
            if limits.iter().any(|other| other.name == limit.name) {
                return Err(at(format!("name: {:?} stands there twice", limit.name)));
            }
            limits.push(ConfiguredLimit::new(limit).map_err(at)?);
        }
        Ok(Self {
            limits,
            keys: Keys {
                api_key_header: raw.api_key_header,
                ipv6_prefix: raw.ipv6_prefix,
            },
            headers: raw.headers,
            on_unavailable: raw.on_unavailable,
        })
    }
}

impl ConfiguredLimit {
    fn new(raw: RawLimit) -> Result<Self, String> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !(1..=64).contains(&raw.name.len()) || !raw.name.bytes().all(legal) {
            return Err("name: must be 1 to 64 letters, digits, \"-\", \"_\" or \".\"".to_owned());
        }
        if raw.key.is_empty() || raw.key.len() > 8 {
            return Err("key: must hold 1 to 8 parts".to_owned());
        }
        if raw.paths.as_ref().is_some_and(Vec::is_empty) {
            return Err("paths: must name at least one path, or be left out for all".to_owned());
        }
        if raw.cost == 0 {
            return Err("cost: must be at least 1".to_owned());
        }
        let burst = raw.burst.unwrap_or(raw.count);
        let millis = raw.period.as_millis();
        let prefix = format!("{}/{}/{millis}/{burst}", raw.name, raw.count);
        let limit = Limit {
            key: prefix.clone(),
            count: raw.count,
            period: raw.period,
            burst,
            cost: raw.cost,
        };
        gcra::Rate::new(&limit).map_err(|error| match error {
            LimiterError::Invalid(why) | LimiterError::Unavailable(why) => {
                // The reason begins with the key's name.
                why.split_once(' ')
                    .map_or(why.clone(), |(key, rest)| format!("{key}: {rest}"))
            }
        })?;
        Ok(Self {
            item: Item::new(&raw.name, raw.count, raw.period, burst),
            name: raw.name,
            on: RequestMatch {
                methods: raw.methods,
                paths: raw.paths,
            },
            parts: raw.key,
            fallback_to_ip: raw.fallback.is_some(),
            prefix,
            count: raw.count,
            period: raw.period,
            burst,
            cost: raw.cost,
        })
    }
}

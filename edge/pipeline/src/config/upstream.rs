//! `[upstreams.<name>]`: servers that the node asks, and how.

mod balance;
mod health;
mod origin;
mod retry;
mod tls;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

use super::quantity;

pub use balance::{HashBy, Outlier, PolicyName};
pub use health::{HealthCheck, HealthKind};
pub use origin::Origin;
pub use retry::{Breaker, RetryOn};
pub use tls::TlsConfig;

/// Servers that the node asks.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "File")]
pub struct UpstreamConfig {
    /// The first server: the only one that hosts without a balancer of their own ask.
    pub url: Origin,
    /// All servers, at least one.
    pub servers: Vec<ServerConfig>,
    /// Which of them is asked.
    pub policy: PolicyName,
    /// What a hash ring goes by.
    pub hash_by: HashBy,
    /// How long a server that comes back takes to its full weight.
    pub slow_start: Duration,
    /// When servers that fail are left out.
    pub outlier: Outlier,
    /// Checks in the background.
    pub health: Option<HealthCheck>,
    /// When the upstream as a whole is not asked.
    pub breaker: Option<Breaker>,
    /// How often a request is sent to another server.
    pub retries: u32,
    /// After what.
    pub retry_on: Vec<RetryOn>,
    /// No further try begins after this.
    pub retry_within: Duration,
    /// Retries a request over all requests.
    pub retry_ratio: f64,
    /// Retries a second that are allowed whatever comes in.
    pub retry_min_per_second: u32,
    /// A second server is asked when the first has not answered a safe request for this long.
    pub hedge_after: Option<Duration>,
    /// Whether to speak HTTP/2.
    pub http2: Http2,
    /// Whom to trust and who to be, over TLS.
    pub tls: TlsConfig,
    /// For a connection to be made, the TLS handshake included.
    pub connect_timeout: Duration,
    /// From the last byte sent to the first of the answer's head.
    pub first_byte_timeout: Duration,
    /// Between two chunks of the answer's body.
    pub idle_timeout: Duration,
    /// From the answer's head to its last byte; none: as long as it moves.
    pub answer_timeout: Option<Duration>,
    /// Unused connections are closed after this.
    pub pool_idle_timeout: Duration,
    /// Unused connections kept per server, per worker thread.
    pub pool_max_idle: usize,
    /// Requests in flight; above it: 503.
    pub max_connections: u32,
}

/// One server of an upstream.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// Where it is.
    pub url: Origin,
    /// Its part of the requests.
    #[serde(default = "one", deserialize_with = "weight")]
    pub weight: u32,
}

/// Whether HTTP/2 is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http2 {
    /// Never.
    No,
    /// Always: with prior knowledge on a plain connection, and as the only offer over TLS.
    Yes,
    /// When the server chooses it over TLS; not on a plain connection.
    Auto,
}

impl<'de> Deserialize<'de> for Http2 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Http2;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false or \"auto\"")
            }

            fn visit_bool<E: Error>(self, whether: bool) -> Result<Http2, E> {
                Ok(if whether { Http2::Yes } else { Http2::No })
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<Http2, E> {
                match word {
                    "auto" => Ok(Http2::Auto),
                    _ => Err(E::custom("must be true, false or \"auto\"")),
                }
            }
        }

        deserializer.deserialize_any(Text)
    }
}

/// The section as it stands in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    url: Option<Origin>,
    servers: Option<Vec<ServerConfig>>,
    #[serde(default)]
    policy: PolicyName,
    #[serde(default)]
    hash_by: HashBy,
    #[serde(default = "half_a_minute", deserialize_with = "quantity::duration")]
    slow_start: Duration,
    #[serde(default)]
    outlier: Outlier,
    health: Option<HealthCheck>,
    breaker: Option<Breaker>,
    #[serde(default = "one")]
    retries: u32,
    #[serde(default = "retry::retry_on")]
    retry_on: Vec<RetryOn>,
    #[serde(default = "ten_seconds", deserialize_with = "quantity::positive")]
    retry_within: Duration,
    #[serde(default = "retry::ratio", deserialize_with = "quantity::ratio")]
    retry_ratio: f64,
    #[serde(default = "retry::min_per_second")]
    retry_min_per_second: u32,
    #[serde(default, deserialize_with = "quantity::some_positive")]
    hedge_after: Option<Duration>,
    #[serde(default = "http2")]
    http2: Http2,
    #[serde(default)]
    ca: Option<std::path::PathBuf>,
    #[serde(default)]
    client_cert: Option<std::path::PathBuf>,
    #[serde(default)]
    client_key: Option<std::path::PathBuf>,
    #[serde(default)]
    server_name: Option<String>,
    #[serde(default = "connect_timeout", deserialize_with = "quantity::positive")]
    connect_timeout: Duration,
    #[serde(default = "half_a_minute", deserialize_with = "quantity::positive")]
    first_byte_timeout: Duration,
    #[serde(default = "half_a_minute", deserialize_with = "quantity::positive")]
    idle_timeout: Duration,
    #[serde(default, deserialize_with = "quantity::some_positive")]
    answer_timeout: Option<Duration>,
    #[serde(default = "pool_idle_timeout", deserialize_with = "quantity::positive")]
    pool_idle_timeout: Duration,
    #[serde(default = "pool_max_idle")]
    pool_max_idle: usize,
    #[serde(
        default = "max_connections",
        deserialize_with = "quantity::at_least_one"
    )]
    max_connections: u32,
}

/// Servers of one upstream at most.
const MAX_SERVERS: usize = 256;
/// Retries of one request at most.
const MAX_RETRIES: u32 = 10;

impl TryFrom<File> for UpstreamConfig {
    type Error = String;

    fn try_from(file: File) -> Result<Self, String> {
        let servers = match (file.url, file.servers) {
            (Some(url), None) => vec![ServerConfig { url, weight: 1 }],
            (None, Some(servers)) => servers,
            (Some(_), Some(_)) => return Err("an upstream has both `url` and `servers`".into()),
            (None, None) => return Err("missing field `url`, or `servers`".into()),
        };
        let Some(first) = servers.first() else {
            return Err("`servers` must name at least one".into());
        };
        if servers.len() > MAX_SERVERS {
            return Err(format!("`servers` may name {MAX_SERVERS} at most"));
        }
        if file.retries > MAX_RETRIES {
            return Err(format!("`retries` may be {MAX_RETRIES} at most"));
        }
        let tls = TlsConfig {
            ca: file.ca,
            client_cert: file.client_cert,
            client_key: file.client_key,
            server_name: file.server_name,
        };
        let encrypted = servers.iter().any(|server| server.url.is_tls());
        tls.check(encrypted)?;
        Ok(Self {
            url: first.url.clone(),
            policy: file.policy,
            hash_by: file.hash_by,
            slow_start: file.slow_start,
            outlier: file.outlier,
            health: file.health,
            breaker: file.breaker,
            retries: file.retries,
            retry_on: file.retry_on,
            retry_within: file.retry_within,
            retry_ratio: file.retry_ratio,
            retry_min_per_second: file.retry_min_per_second,
            hedge_after: file.hedge_after,
            http2: file.http2,
            tls,
            connect_timeout: file.connect_timeout,
            first_byte_timeout: file.first_byte_timeout,
            idle_timeout: file.idle_timeout,
            answer_timeout: file.answer_timeout,
            pool_idle_timeout: file.pool_idle_timeout,
            pool_max_idle: file.pool_max_idle,
            max_connections: file.max_connections,
            servers,
        })
    }
}

impl UpstreamConfig {
    /// A server with the time limits and bounds that an upstream has by default.
    pub(crate) fn new(url: Origin) -> Self {
        Self {
            servers: vec![ServerConfig {
                url: url.clone(),
                weight: 1,
            }],
            url,
            policy: PolicyName::default(),
            hash_by: HashBy::default(),
            slow_start: half_a_minute(),
            outlier: Outlier::default(),
            health: None,
            breaker: None,
            retries: one(),
            retry_on: retry::retry_on(),
            retry_within: ten_seconds(),
            retry_ratio: retry::ratio(),
            retry_min_per_second: retry::min_per_second(),
            hedge_after: None,
            http2: http2(),
            tls: TlsConfig::default(),
            connect_timeout: connect_timeout(),
            first_byte_timeout: half_a_minute(),
            idle_timeout: half_a_minute(),
            answer_timeout: None,
            pool_idle_timeout: pool_idle_timeout(),
            pool_max_idle: pool_max_idle(),
            max_connections: max_connections(),
        }
    }

    /// Makes this the one server.
    pub(crate) fn set_url(&mut self, url: Origin) {
        self.url = url.clone();
        self.servers = vec![ServerConfig { url, weight: 1 }];
    }

    /// Looks relative paths up in a folder.
    pub(super) fn resolve(&mut self, base_dir: &Path) {
        self.tls.resolve(base_dir);
    }
}

fn http2() -> Http2 {
    Http2::No
}

fn one() -> u32 {
    1
}

fn weight<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let weight = u32::deserialize(deserializer)?;
    if !(1..=1000).contains(&weight) {
        return Err(serde::de::Error::custom("must be 1 to 1000"));
    }
    Ok(weight)
}

fn connect_timeout() -> Duration {
    Duration::from_secs(1)
}

fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

fn half_a_minute() -> Duration {
    Duration::from_secs(30)
}

fn pool_idle_timeout() -> Duration {
    Duration::from_mins(1)
}

fn pool_max_idle() -> usize {
    128
}

fn max_connections() -> u32 {
    1024
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<UpstreamConfig, String> {
        crate::config::reader::from_str(text).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn one_server_or_many() {
        let one = parse("url = \"http://a\"").unwrap();
        assert_eq!(one.servers.len(), 1);
        let many = "servers = [{ url = \"http://a:80\", weight = 2 }, { url = \"http://b:80\" }]";
        let many = parse(many).unwrap();
        assert_eq!(many.url.to_string(), "http://a:80");
        assert_eq!((many.servers[0].weight, many.servers[1].weight), (2, 1));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, why) in [
            ("", "missing field `url`, or `servers`"),
            ("servers = []", "`servers` must name at least one"),
            (
                "url = \"http://a\"\nservers = [{ url = \"http://b\" }]",
                "an upstream has both `url` and `servers`",
            ),
            (
                "servers = [{ url = \"http://b\", weight = 0 }]",
                "must be 1 to 1000",
            ),
            (
                "url = \"http://a\"\nretries = 11",
                "`retries` may be 10 at most",
            ),
            (
                "url = \"http://a\"\nca = \"a.pem\"",
                "`ca` is of no use: no server has an `https://` URL",
            ),
            (
                "url = \"https://a\"\nclient_cert = \"a.pem\"",
                "`client_cert` and `client_key` belong together",
            ),
            (
                "url = \"https://a\"\nserver_name = \"a b\"",
                "`server_name` must be a host name",
            ),
            (
                "url = \"http://a\"\nhttp2 = \"maybe\"",
                "must be true, false or \"auto\"",
            ),
            (
                "url = \"http://a\"\nhttp2 = 1",
                "invalid type: integer `1`, expected true, false or \"auto\"",
            ),
            ("url = \"http://a\"\nretry_ratio = 1.5", "must be 0 to 1"),
            (
                "url = \"http://a\"\nhash_by = \"cookie\"",
                "\"cookie\" is not one of \"ip\", \"path\" and \"header:<name>\"",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err(), why, "{text}");
        }
    }
}

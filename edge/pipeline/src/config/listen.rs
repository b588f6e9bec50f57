//! `[listen]`: where the node listens, and the limits of what comes in.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::quantity::{self, Size};

/// Where the node listens, and the limits of what comes in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// HTTP/1.1 and h2c.
    #[serde(deserialize_with = "socket")]
    pub http: SocketAddr,
    /// The admin port; none: no admin port.
    #[serde(default, deserialize_with = "some_socket")]
    pub admin: Option<SocketAddr>,
    /// The environment variable that holds the token with which changes are made through the admin
    /// port; its value is passed in at start. None: they need no token.
    #[serde(default)]
    pub admin_token_env: Option<String>,
    /// Open connections over all threads; above it new ones are closed at once.
    #[serde(
        default = "max_connections",
        deserialize_with = "quantity::at_least_one"
    )]
    pub max_connections: u32,
    /// For a request's head to arrive.
    #[serde(
        default = "header_read_timeout",
        deserialize_with = "quantity::positive"
    )]
    pub header_read_timeout: Duration,
    /// For connections with nothing to do, and for peers that stop reading or sending half-way.
    #[serde(default = "idle_timeout", deserialize_with = "quantity::positive")]
    pub idle_timeout: Duration,
    /// A head above this gets 431.
    #[serde(default = "max_header_bytes", deserialize_with = "header_bytes")]
    pub max_header_bytes: Size,
    /// A head with more fields gets 431.
    #[serde(default = "max_headers", deserialize_with = "header_count")]
    pub max_headers: u32,
    /// A request body above this gets 413.
    #[serde(default = "max_body_bytes")]
    pub max_body_bytes: Size,
    /// Whose `X-Forwarded-For` and `-Proto` are believed.
    #[serde(default)]
    pub trusted_proxies: Vec<Network>,
    /// HTTP/1.1 and HTTP/2 over TLS; none: no TLS.
    #[serde(default, deserialize_with = "some_socket")]
    pub https: Option<SocketAddr>,
    /// The port by which clients reach `https`, for redirects and `Alt-Svc`; none: its own.
    #[serde(default)]
    pub https_port: Option<u16>,
    /// Whether plain requests are sent to `https`.
    #[serde(default)]
    pub redirect_https: bool,
    /// Whether HTTP/3 is served on the UDP port of `https`.
    #[serde(default)]
    pub http3: bool,
    /// For a TLS handshake.
    #[serde(default = "handshake_timeout", deserialize_with = "quantity::positive")]
    pub handshake_timeout: Duration,
    /// TLS handshakes at once over all threads; above it new connections are closed.
    #[serde(
        default = "max_handshakes",
        deserialize_with = "quantity::at_least_one"
    )]
    pub max_handshakes: u32,
    /// Peers that begin each connection with a header of the PROXY protocol, version 1 or 2.
    #[serde(default)]
    pub proxy_protocol: Vec<Network>,
    /// For that header to arrive.
    #[serde(
        default = "proxy_protocol_timeout",
        deserialize_with = "quantity::positive"
    )]
    pub proxy_protocol_timeout: Duration,
    /// Open connections of one client, an IPv6 network of 64 bits counting as one; 0: no bound but
    /// `max_connections`. Trusted proxies are not bound.
    #[serde(default)]
    pub max_connections_per_ip: u32,
    /// What a client must send of a body in a second, on average over the time it was waited for,
    /// once the grace is over; 0: any rate will do.
    #[serde(default = "min_body_rate")]
    pub min_body_rate: Size,
    /// How long a client may be waited for before its rate counts.
    #[serde(default = "body_rate_grace", deserialize_with = "quantity::positive")]
    pub body_rate_grace: Duration,
    /// Requests that one client may have open on one connection of HTTP/2 or HTTP/3.
    #[serde(default = "max_streams", deserialize_with = "quantity::at_least_one")]
    pub max_streams: u32,
}

fn handshake_timeout() -> Duration {
    Duration::from_secs(10)
}

fn max_handshakes() -> u32 {
    1000
}

fn proxy_protocol_timeout() -> Duration {
    Duration::from_secs(5)
}

fn min_body_rate() -> Size {
    Size(240)
}

fn body_rate_grace() -> Duration {
    Duration::from_secs(10)
}

fn max_streams() -> u32 {
    128
}

fn socket<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        serde::de::Error::custom(format!(
            "{text:?} is not an address and a port such as \"127.0.0.1:8080\""
        ))
    })
}

fn some_socket<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    socket(deserializer).map(Some)
}

fn max_connections() -> u32 {
    10_000
}

fn header_read_timeout() -> Duration {
    Duration::from_secs(10)
}

fn idle_timeout() -> Duration {
    Duration::from_mins(1)
}

fn max_header_bytes() -> Size {
    Size::kib(32)
}

fn max_headers() -> u32 {
    100
}

fn max_body_bytes() -> Size {
    Size::mib(10)
}

fn header_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
    let size = Size::deserialize(deserializer)?;
    if (Size(512)..=Size::mib(1)).contains(&size) {
        return Ok(size);
    }
    Err(serde::de::Error::custom("must be 512B to 1MiB"))
}

fn header_count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let count = u32::deserialize(deserializer)?;
    if (8..=1000).contains(&count) {
        return Ok(count);
    }
    Err(serde::de::Error::custom("must be 8 to 1000"))
}

/// An address or a block of addresses: `"10.0.0.0/8"`, `"::1"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether the address lies in the block. An IPv4 address mapped into IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(block), IpAddr::V4(address)) => {
                let mask = u32::MAX
                    .checked_shl(32 - u32::from(self.prefix))
                    .unwrap_or(0);
                (block.to_bits() ^ address.to_bits()) & mask == 0
            }
            (IpAddr::V6(block), IpAddr::V6(address)) => {
                let mask = u128::MAX
                    .checked_shl(128 - u32::from(self.prefix))
                    .unwrap_or(0);
                (block.to_bits() ^ address.to_bits()) & mask == 0
            }
            _ => false,
        }
    }

    /// Whether the address lies in one of the blocks.
    #[must_use]
    pub fn any_contains(networks: &[Self], address: IpAddr) -> bool {
        networks.iter().any(|network| network.contains(address))
    }

    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        // A client of IPv4 is known by that, so this would be a block that nobody is in.
        if address != address.to_canonical() {
            return None;
        }
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(longest);
        (prefix <= longest).then_some(Self { address, prefix })
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "{text:?} is not an address or a block such as \"10.0.0.0/8\""
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let net = |text: &str| Network::parse(text).unwrap();
        assert!(net("10.0.0.0/8").contains(ip("10.255.1.2")));
        assert!(!net("10.0.0.0/8").contains(ip("11.0.0.1")));
        assert!(net("10.0.0.0/8").contains(ip("::ffff:10.1.1.1")));
        assert!(net("0.0.0.0/0").contains(ip("203.0.113.9")));
        assert!(!net("0.0.0.0/0").contains(ip("::1")));
        assert!(net("::1").contains(ip("::1")));
        assert!(net("2001:db8::/32").contains(ip("2001:db8:ffff::1")));
        for bad in [
            "",
            "10.0.0.0/33",
            "::/129",
            "host",
            "10.0.0.0/-1",
            "10.0.0/8",
            "::ffff:10.0.0.0/104",
        ] {
            assert_eq!(Network::parse(bad), None, "{bad}");
        }
    }
}

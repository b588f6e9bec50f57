//! What a limit counts by: the parts of a key, and how they become one text.
//!
//! A key must be unlike any other combination of parts, so parts are set apart by a line feed, which
//! no part can hold. It must not give secrets away to who can read the counters, and it must
//! not grow with what a client sends: what comes from a field that a client writes is hashed.

use std::net::{IpAddr, Ipv6Addr};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use zephyr_edge_core::{Exchange, field};

/// A part of a key, written as `"ip"`, `"user"`, `"api-key"`, `"route"`, `"host"`, `"method"` or
/// `"header:<name>"`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Part {
    /// The client's address; IPv6 by its network.
    Ip,
    /// The subject of a verified token. Missing without one.
    User,
    /// The API key. Missing without one.
    ApiKey,
    /// The route's name.
    Route,
    /// The host asked for.
    Host,
    /// The method.
    Method,
    /// A request field. Missing when it is absent or empty.
    Header(String),
}

impl TryFrom<String> for Part {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Ok(match text.as_str() {
            "ip" => Self::Ip,
            "user" => Self::User,
            "api-key" => Self::ApiKey,
            "route" => Self::Route,
            "host" => Self::Host,
            "method" => Self::Method,
            other => match other.strip_prefix("header:") {
                Some(name) if field::check_name(name).is_ok() => {
                    Self::Header(name.to_ascii_lowercase())
                }
                _ => {
                    return Err(format!(
                        "{other:?} is none of \"ip\", \"user\", \"api-key\", \"route\", \"host\", \
                         \"method\", \"header:<name>\""
                    ));
                }
            },
        })
    }
}

/// How parts are read.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) api_key_header: String,
    pub(crate) ipv6_prefix: u8,
}

impl Keys {
    /// Adds a part to a key; `false` when the request lacks it, and nothing is added.
    pub(crate) fn push<X: Exchange>(&self, part: &Part, x: &X, key: &mut String) -> bool {
        let hashed = |name: &str, key: &mut String| match x.header(name) {
            Some(value) if !value.is_empty() => {
                key.push('\n');
                push_hash(value.as_bytes(), key);
                true
            }
            _ => false,
        };
        match part {
            Part::Ip => {
                key.push('\n');
                push_network(&x.client_ip(), self.ipv6_prefix, key);
                true
            }
            // Written by `auth`; a client's own was stripped by the node.
            Part::User => hashed("x-zephyr-subject", key),
            Part::ApiKey => hashed(&self.api_key_header, key),
            Part::Header(name) => hashed(name, key),
            Part::Route => push_bounded(&x.route(), key),
            Part::Host => push_bounded(&x.authority(), key),
            Part::Method => push_bounded(&x.method(), key),
        }
    }
}

fn push_bounded(text: &str, key: &mut String) -> bool {
    key.push('\n');
    if text.len() <= 48 && !text.contains('\n') {
        key.push_str(text);
    } else {
        push_hash(text.as_bytes(), key);
    }
    true
}

/// `#` and the first 128 bits of the SHA-256, in hexadecimal: nobody can make two values collide.
fn push_hash(value: &[u8], key: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    key.push('#');
    for byte in &Sha256::digest(value)[..16] {
        key.push(char::from(DIGITS[usize::from(byte >> 4)]));
        key.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

/// An IPv4 address as it is; of an IPv6 address only the network, because one client has at least
/// a whole /64 to choose from (RFC 6177). IPv4-mapped addresses are IPv4.
fn push_network(address: &str, prefix: u8, key: &mut String) {
    let parsed = if address.contains(':') {
        address.parse::<Ipv6Addr>().ok()
    } else {
        None
    };
    let Some(address6) = parsed else {
        key.push_str(address);
        return;
    };
    if let IpAddr::V4(address4) = IpAddr::V6(address6).to_canonical() {
        key.push_str(&address4.to_string());
        return;
    }
    let mask = u128::MAX.checked_shl(u32::from(128 - prefix)).unwrap_or(0);
    let network = Ipv6Addr::from_bits(address6.to_bits() & mask);
    key.push_str(&network.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str, prefix: u8) -> String {
        let mut key = String::new();
        push_network(address, prefix, &mut key);
        key
    }

    #[test]
    fn an_ipv6_client_is_its_network() {
        assert_eq!(network("203.0.113.7", 64), "203.0.113.7");
        assert_eq!(network("::ffff:203.0.113.7", 64), "203.0.113.7");
        assert_eq!(network("2001:db8:1:2:3:4:5:6", 64), "2001:db8:1:2::");
        assert_eq!(network("2001:db8:1:2:ffff::", 64), "2001:db8:1:2::");
        assert_eq!(network("2001:db8:1:3::1", 64), "2001:db8:1:3::");
        assert_eq!(network("2001:db8:1:2:3:4:5:6", 56), "2001:db8:1::");
        assert_eq!(network("2001:db8:1:2:3:4:5:6", 128), "2001:db8:1:2:3:4:5:6");
        assert_eq!(network("::1", 64), "::");
    }

    #[test]
    fn parts_are_read_by_name() {
        let read = |text: &str| Part::try_from(text.to_owned());
        assert_eq!(read("ip"), Ok(Part::Ip));
        assert_eq!(
            read("header:X-Tenant"),
            Ok(Part::Header("x-tenant".to_owned()))
        );
        for bad in ["", "IP", "header:", "header:a b", "header:host:x", "cookie"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_clients_write_is_hashed() {
        let mut key = String::new();
        push_hash(b"secret", &mut key);
        assert_eq!(key, "#2bb80d537b1da3e38bd30361aa855686");
    }
}

//! Patterns of hosts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

/// A pattern of hosts: `*`, `*.example.com` or `example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// Every host.
    Any,
    /// Every host that ends in this text, which begins with a dot.
    Below(String),
    /// This host.
    Exact(String),
}

impl FromStr for HostPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let pattern = text.to_ascii_lowercase();
        if pattern == "*" {
            return Ok(Self::Any);
        }
        let (host, wildcard) = match pattern.strip_prefix("*.") {
            Some(host) => (host, true),
            None => (pattern.as_str(), false),
        };
        if !(is_host_name(host) || (!wildcard && is_ipv6(host))) {
            return Err(format!(
                "{text:?} is not a host pattern: `*`, `*.example.com` or `example.com`, no port"
            ));
        }
        Ok(if wildcard {
            Self::Below(format!(".{host}"))
        } else {
            Self::Exact(pattern)
        })
    }
}

fn is_host_name(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    host.len() <= 253 && host.split('.').all(label)
}

fn is_ipv6(host: &str) -> bool {
    let inner = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    inner.is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok())
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Below(suffix) => write!(f, "*{suffix}"),
            Self::Exact(host) => f.write_str(host),
        }
    }
}

impl<'de> Deserialize<'de> for HostPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_patterns() {
        assert_eq!(
            "Example.COM".parse(),
            Ok(HostPattern::Exact("example.com".into()))
        );
        assert_eq!("*.a.b".parse(), Ok(HostPattern::Below(".a.b".into())));
        assert_eq!("[::1]".parse(), Ok(HostPattern::Exact("[::1]".into())));
        for bad in [
            "", "a:80", "*a", "a.*", "*.*", "a b", "a..b", ".a", "a/b", "*.[::1]",
        ] {
            assert!(bad.parse::<HostPattern>().is_err(), "{bad}");
        }
    }
}

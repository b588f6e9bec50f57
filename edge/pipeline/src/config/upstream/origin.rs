//! A server's URL: no more than scheme, host and port.

use std::fmt;

use http::uri::Authority;
use serde::{Deserialize, Deserializer};

/// The scheme, host and port of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    tls: bool,
    authority: Authority,
}

impl Origin {
    /// Whether it is asked over TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Host, and port when it is not the scheme's own.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Host and port to connect to.
    #[must_use]
    pub fn host_and_port(&self) -> (&str, u16) {
        let host = self.authority.host();
        let host = host
            .strip_prefix('[')
            .and_then(|h| h.strip_suffix(']'))
            .unwrap_or(host);
        (
            host,
            self.authority
                .port_u16()
                .unwrap_or(if self.tls { 443 } else { 80 }),
        )
    }

    /// Reads a URL that is no more than scheme, host and port.
    ///
    /// # Errors
    ///
    /// Says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let uri: http::Uri = text.parse().map_err(|_| "it is not a URL")?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err("it must begin with `http://` or `https://`"),
        };
        if uri.query().is_some() || !matches!(uri.path(), "" | "/") {
            return Err("it must end after host and port");
        }
        let authority = uri.authority().ok_or("it has no host")?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err("it must hold a host and no user");
        }
        if authority.as_str().ends_with(':') || authority.port_u16() == Some(0) {
            return Err("its port is not a port");
        }
        Ok(Self {
            tls,
            authority: authority.clone(),
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority)
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(|why| {
            serde::de::Error::custom(format!(
                "{text:?} is not a server's URL such as \"http://127.0.0.1:8081\": {why}"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        let origin = Origin::parse("http://127.0.0.1:8081").unwrap();
        assert_eq!(origin.host_and_port(), ("127.0.0.1", 8081));
        assert_eq!(
            Origin::parse("http://[::1]/").unwrap().host_and_port(),
            ("::1", 80)
        );
        let origin = Origin::parse("https://a.example").unwrap();
        assert!(origin.is_tls());
        assert_eq!(origin.host_and_port(), ("a.example", 443));
        assert_eq!(origin.to_string(), "https://a.example");
        for bad in [
            "",
            "127.0.0.1:80",
            "ftp://a",
            "http://a/b",
            "http://a?b",
            "http://u@a",
            "http://",
            "http://a:0",
            "http://a:",
        ] {
            assert!(Origin::parse(bad).is_err(), "{bad}");
        }
    }
}

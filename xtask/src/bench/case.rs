//! One thing to put load on: which server, over what, and what a right answer looks like.

use std::time::Duration;

use anyhow::Context as _;

use super::body::Body;
use super::probe::{self, Answer};

/// How often a cache is asked until it has what it was asked for before. A disk tier may take a
/// moment to write.
const TRIES: u32 = 20;

/// What the added stages do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StageKind {
    /// Say "next" at once.
    Plain,
    /// Four host calls before: path, a header, the client's address, setting a header.
    FourCalls,
}

/// Which server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Nginx,
    Varnish,
    /// The node, with room for everything in memory.
    Node,
    /// A node that keeps bodies on disk only.
    DiskNode,
}

/// Where a server is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Address {
    pub(crate) pid: u32,
    pub(crate) port: u16,
    /// Of TLS, for servers that have it.
    pub(crate) tls: Option<u16>,
}

impl Address {
    /// The TLS port, or an error.
    pub(crate) fn tls(&self) -> anyhow::Result<u16> {
        self.tls.context("this server has no TLS")
    }
}

/// What the load comes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1 in plain text.
    Http1,
    /// HTTP/1.1 over TLS 1.3.
    Tls,
    /// HTTP/2 over TLS 1.3.
    Http2,
}

/// What a row is to reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Aim {
    /// The least ratio of requests per second.
    pub(crate) rate: f64,
    /// Whether the 99th percentile must be no worse.
    pub(crate) p99: bool,
}

/// One thing to put load on.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) server: Who,
    pub(crate) protocol: Protocol,
    pub(crate) path: String,
    /// A field line to send.
    pub(crate) header: Option<String>,
    /// The case that this one is measured against: nginx's.
    pub(crate) yardstick: Option<String>,
    /// Varnish's, where it does the same.
    pub(crate) varnish: Option<String>,
    pub(crate) aim: Option<Aim>,
    /// Set for the points of the slope.
    pub(crate) stages: Option<(StageKind, u32)>,
    pub(crate) expected: Expected,
}

/// What a right answer looks like.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expected {
    /// From the cache, told by this field's value.
    Hit {
        field: &'static str,
        value: &'static str,
        body: Body,
    },
    /// From the upstream or from a file.
    Body(Body),
    /// From a component.
    Text(&'static str),
}

impl Case {
    pub(crate) fn new(name: &str, server: Who, path: &str, expected: Expected) -> Self {
        Self {
            name: name.to_owned(),
            server,
            protocol: Protocol::Http1,
            path: path.to_owned(),
            header: None,
            yardstick: None,
            varnish: None,
            aim: None,
            stages: None,
            expected,
        }
    }

    pub(crate) fn over(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    pub(crate) fn against(mut self, yardstick: &str, aim: Option<Aim>) -> Self {
        self.yardstick = Some(yardstick.to_owned());
        self.aim = aim;
        self
    }

    pub(crate) fn beside_varnish(mut self, name: &str) -> Self {
        self.varnish = Some(name.to_owned());
        self
    }

    pub(crate) fn url(&self, address: &Address) -> anyhow::Result<String> {
        let path = &self.path;
        Ok(match self.protocol {
            Protocol::Http1 => format!("http://127.0.0.1:{}{path}", address.port),
            // TLS knows servers by name, not by address.
            Protocol::Tls | Protocol::Http2 => {
                format!("https://localhost:{}{path}", address.tls()?)
            }
        })
    }

    /// The body, where it is always the same.
    pub(crate) fn body(&self) -> Option<Body> {
        match self.expected {
            Expected::Hit { body, .. } | Expected::Body(body) => Some(body),
            Expected::Text(_) => None,
        }
    }

    /// Asks, and looks at the answer. A cache is filled first.
    pub(crate) fn check(&self, address: &Address) -> anyhow::Result<()> {
        self.verify(address).with_context(|| self.name.clone())
    }

    fn verify(&self, address: &Address) -> anyhow::Result<()> {
        let mut answer = self.ask(address)?;
        for _ in 0..TRIES {
            answer = self.ask(address)?;
            if self.is_hit(&answer) {
                break;
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
        anyhow::ensure!(answer.status == 200, "status {}", answer.status);
        if let Expected::Text(text) = self.expected {
            let found = String::from_utf8_lossy(&answer.body);
            anyhow::ensure!(found.contains(text), "the body is {found:?}");
        }
        if let Expected::Hit { field, .. } = self.expected {
            let found = answer.header(field).unwrap_or_default();
            anyhow::ensure!(self.is_hit(&answer), "`{field}` is {found:?}, not a hit");
        }
        if let Some(body) = self.body() {
            let (length, wanted) = (answer.body.len(), body.bytes());
            anyhow::ensure!(
                length == wanted,
                "the body has {length} bytes, not {wanted}"
            );
        }
        Ok(())
    }

    /// Whether it is from the cache, or need not be.
    fn is_hit(&self, answer: &Answer) -> bool {
        let Expected::Hit { field, value, .. } = self.expected else {
            return true;
        };
        answer.header(field).is_some_and(|found| {
            found
                .split([';', ',', ' '])
                .any(|part| part.eq_ignore_ascii_case(value))
        })
    }

    fn ask(&self, address: &Address) -> anyhow::Result<Answer> {
        let header = self.header.as_deref();
        match self.protocol {
            Protocol::Http1 => probe::get(address.port, &self.path, header),
            // A cache answers both versions from one entry, so HTTP/1.1 tells.
            Protocol::Tls | Protocol::Http2 => probe::get_tls(address.tls()?, &self.path, header),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Address = Address {
        pid: 1,
        port: 80,
        tls: Some(443),
    };

    #[test]
    fn addresses() {
        let expected = Expected::Body(Body::Small);
        let case = Case::new("a", Who::Node, "/a", expected);
        assert_eq!(case.url(&AT).unwrap(), "http://127.0.0.1:80/a");
        let case = case.over(Protocol::Http2);
        assert_eq!(case.url(&AT).unwrap(), "https://localhost:443/a");
        assert!(case.url(&Address { tls: None, ..AT }).is_err());
    }

    #[test]
    fn a_hit_is_told_by_a_part_of_the_field() {
        let case = |value| {
            let expected = Expected::Hit {
                field: "cache-status",
                value,
                body: Body::Small,
            };
            Case::new("a", Who::Node, "/a", expected)
        };
        let answer =
            probe::parse(b"HTTP/1.1 200 OK\r\nCache-Status: node; hit; ttl=3\r\n\r\n").unwrap();
        assert!(case("hit").is_hit(&answer));
        assert!(!case("fwd").is_hit(&answer));
        assert!(!case("hi").is_hit(&answer));
    }
}

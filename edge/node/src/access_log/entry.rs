//! One line of the access log.

use std::io::Write as _;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

/// What is logged of a request. Header fields are not, so no token can be; a query is, because
/// what must stay secret has no place in one.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) at: SystemTime,
    pub(crate) id: &'a str,
    pub(crate) client: IpAddr,
    pub(crate) method: &'a str,
    pub(crate) host: &'a str,
    pub(crate) target: &'a str,
    pub(crate) protocol: &'static str,
    pub(crate) route: &'a str,
    pub(crate) status: u16,
    pub(crate) bytes: u64,
    pub(crate) took: Duration,
    pub(crate) upstream: Option<Duration>,
    /// `hit`, or why the cache went on, as in `Cache-Status` (RFC 9211, section 2.2).
    pub(crate) cache: Option<&'a str>,
    /// Whether the answer was not received to its end.
    pub(crate) aborted: bool,
}

impl Entry<'_> {
    /// Appends the line.
    pub(crate) fn write(&self, line: &mut Vec<u8>) {
        let at = humantime::format_rfc3339_micros(self.at);
        let _ = write!(line, "{{\"at\":\"{at}\",\"id\":");
        text(line, self.id);
        let _ = write!(line, ",\"client\":\"{}\"", self.client);
        for (name, value) in [
            ("method", self.method),
            ("host", self.host),
            ("target", self.target),
            ("protocol", self.protocol),
            ("route", self.route),
        ] {
            let _ = write!(line, ",\"{name}\":");
            text(line, value);
        }
        let micros = self.took.as_micros();
        let (status, bytes) = (self.status, self.bytes);
        let _ = write!(
            line,
            ",\"status\":{status},\"bytes\":{bytes},\"duration_us\":{micros}"
        );
        if let Some(upstream) = self.upstream {
            let _ = write!(line, ",\"upstream_us\":{}", upstream.as_micros());
        }
        if let Some(cache) = self.cache {
            line.extend_from_slice(b",\"cache\":");
            text(line, cache);
        }
        if self.aborted {
            line.extend_from_slice(b",\"aborted\":true");
        }
        line.extend_from_slice(b"}\n");
    }

    #[cfg(test)]
    pub(super) fn example() -> Entry<'static> {
        Entry {
            at: SystemTime::UNIX_EPOCH,
            id: "id-1",
            client: IpAddr::from([203, 0, 113, 9]),
            method: "GET",
            host: "example.com",
            target: "/a?b=\"c\\\u{1}",
            protocol: "HTTP/1.1",
            route: "all",
            status: 200,
            bytes: 5,
            took: Duration::from_micros(42),
            upstream: Some(Duration::from_micros(30)),
            cache: Some("miss"),
            aborted: false,
        }
    }
}

/// A JSON string.
fn text(line: &mut Vec<u8>, value: &str) {
    let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    line.push(b'"');
    if value.bytes().all(plain) {
        line.extend_from_slice(value.as_bytes());
    } else {
        for byte in value.bytes() {
            match byte {
                b'"' | b'\\' => line.extend_from_slice(&[b'\\', byte]),
                0..0x20 => {
                    let _ = write!(line, "\\u{byte:04x}");
                }
                _ => line.push(byte),
            }
        }
    }
    line.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_json() {
        let mut line = Vec::new();
        Entry::example().write(&mut line);
        let parsed: serde_json::Value = serde_json::from_slice(&line).unwrap();
        insta::assert_snapshot!(parsed, @r#"{"at":"1970-01-01T00:00:00.000000Z","bytes":5,"cache":"miss","client":"203.0.113.9","duration_us":42,"host":"example.com","id":"id-1","method":"GET","protocol":"HTTP/1.1","route":"all","status":200,"target":"/a?b=\"c\\\u0001","upstream_us":30}"#);
    }
}

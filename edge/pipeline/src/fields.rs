//! Header fields that the node removes, adds or believes.

use http::header::{self, HeaderMap, HeaderName};

/// This node in a `Via` field (RFC 9110, section 7.6.3).
pub const VIA: &str = "1.1 zephyr";

/// The request's id.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The chain of clients and proxies.
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The scheme that the client used.
pub const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// The host that the client asked for.
pub const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// Names under which an answer can be purged; for caches alone.
pub const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");

/// How long a connection is kept that nobody uses.
pub const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    KEEP_ALIVE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    PROXY_CONNECTION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Removes the fields that belong to one connection, those that `Connection` names too (RFC 9110,
/// section 7.6.1). Framing, `Host` and the node's own fields cannot be named away.
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if !headers.keys().any(|name| HOP_BY_HOP.contains(name)) {
        return;
    }
    let mut named = Vec::new();
    for value in headers.get_all(header::CONNECTION) {
        let names = value
            .as_bytes()
            .split(|byte| *byte == b',')
            .map(<[u8]>::trim_ascii);
        named.extend(names.filter_map(|name| HeaderName::from_bytes(name).ok()));
    }
    for name in named {
        let kept = name == header::CONTENT_LENGTH
            || name == header::HOST
            || name == header::VIA
            || name == header::FORWARDED
            || name == X_REQUEST_ID
            || name.as_str().starts_with("x-forwarded-");
        if !kept {
            headers.remove(name);
        }
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Takes out of a client's trailer section what must not be there: what belongs to one connection,
/// what is about framing, routing or who asks, and what a head would be cleaned of (RFC 9110, section
/// 6.5.1). An upstream may merge a trailer section into the head.
pub fn clean_trailers(trailers: &mut HeaderMap) {
    remove_untrusted(trailers, false);
    for name in [
        header::AUTHORIZATION,
        header::CACHE_CONTROL,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_RANGE,
        header::CONTENT_TYPE,
        header::COOKIE,
        header::EXPECT,
        header::HOST,
        header::TRAILER,
        header::VIA,
        X_REQUEST_ID,
    ] {
        trailers.remove(name);
    }
}

/// Whether `Connection` names a field that is not the connection's own. RFC 9110, section 7.6.1,
/// forbids it; a proxy that obeyed would change what the request means.
#[must_use]
pub fn connection_names_the_request(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONNECTION).iter().any(|line| {
        line.as_bytes().split(|byte| *byte == b',').any(|name| {
            let name = name.trim_ascii();
            NEVER_NAMED
                .iter()
                .any(|never| name.eq_ignore_ascii_case(never.as_bytes()))
        })
    })
}

/// Fields of the request itself that decide where it goes, how it is framed and who asks.
const NEVER_NAMED: [&str; 10] = [
    "authorization",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "range",
    "transfer-encoding",
];

/// What of a client's head must not reach filters or upstreams.
pub fn remove_untrusted(headers: &mut HeaderMap, trusted: bool) {
    remove_hop_by_hop(headers);
    if headers
        .keys()
        .any(|name| is_untrusted(name.as_str(), trusted))
    {
        let found: Vec<HeaderName> = headers
            .keys()
            .filter(|name| is_untrusted(name.as_str(), trusted))
            .cloned()
            .collect();
        for name in found {
            headers.remove(name);
        }
    }
}

/// `x-zephyr-*` is the node's own, also when written so that a CGI-like upstream reads it as that;
/// what tells of proxies before this one is believed from a trusted one only.
fn is_untrusted(name: &str, trusted: bool) -> bool {
    match name.as_bytes() {
        [b'x', b'-' | b'_', rest @ ..] => {
            rest.starts_with(b"zephyr-")
                || rest.starts_with(b"zephyr_")
                || name.starts_with("x_")
                    && (rest.starts_with(b"forwarded") || rest.starts_with(b"request"))
                || !trusted && (rest.starts_with(b"forwarded-") || rest == b"real-ip")
        }
        [b'f', ..] => !trusted && name == "forwarded",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn connection_names_further_fields_but_not_the_ones_that_matter() {
        let mut headers = map(&[
            ("connection", "close, X-Mine ,content-length"),
            ("connection", "x-other, x-forwarded-for"),
            ("x-mine", "1"),
            ("x-other", "1"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("proxy-connection", "keep-alive"),
            ("content-length", "5"),
            ("x-forwarded-for", "10.0.0.1"),
            ("accept", "*/*"),
        ]);
        remove_hop_by_hop(&mut headers);
        assert_eq!(
            names(&headers),
            ["accept", "content-length", "x-forwarded-for"]
        );
    }

    #[test]
    fn a_trailer_section_is_no_second_head() {
        let mut trailers = map(&[
            ("grpc-status", "0"),
            ("host", "b"),
            ("content-length", "5"),
            ("x-zephyr-subject", "admin"),
            ("x-forwarded-for", "10.0.0.1"),
            ("authorization", "x"),
        ]);
        clean_trailers(&mut trailers);
        assert_eq!(names(&trailers), ["grpc-status"]);
    }

    #[test]
    fn connection_must_not_name_what_the_request_is() {
        for (line, named) in [
            ("close", false),
            ("keep-alive, te, x-mine", false),
            ("close, Host", true),
            ("content-length", true),
        ] {
            let headers = map(&[("connection", line)]);
            assert_eq!(connection_names_the_request(&headers), named, "{line}");
        }
    }

    #[test]
    fn fields_of_the_node_are_taken_from_a_client() {
        let lines = [
            ("x-zephyr-subject", "admin"),
            ("x_zephyr_subject", "admin"),
            ("x-zephyr_subject", "admin"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x_forwarded_for", "10.0.0.1"),
            ("forwarded", "for=10.0.0.1"),
            ("x-zephyrus", "1"),
            ("from", "a"),
        ];
        let mut headers = map(&lines);
        remove_untrusted(&mut headers, false);
        assert_eq!(names(&headers), ["from", "x-zephyrus"]);
        let mut headers = map(&lines);
        remove_untrusted(&mut headers, true);
        assert_eq!(
            names(&headers),
            ["forwarded", "from", "x-forwarded-for", "x-zephyrus"]
        );
    }
}

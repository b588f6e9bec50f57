//! What the node tells an upstream about the client: `X-Forwarded-*`, `Forwarded` (RFC 7239), `Via`
//! (RFC 9110, section 7.6.3) and the request's id. `Host` is passed on as the client sent it.

use std::fmt::Write as _;
use std::net::IpAddr;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::exchange::Exchange;
use crate::fields;

/// Dresses a request for an upstream. What stands in `X-Forwarded-*` or `Forwarded` already came
/// through a trusted proxy (see [`crate::admission`]) or was written by a filter, and stays.
pub fn dress(x: &Exchange, headers: &mut HeaderMap) {
    // The node asks for a body with `100 Continue` itself, when it starts to read it.
    headers.remove(header::EXPECT);
    if !headers.contains_key(header::HOST) {
        set(headers, header::HOST, &x.authority);
    }
    if !headers.contains_key(fields::X_FORWARDED_FOR) {
        set(headers, fields::X_FORWARDED_FOR, &Address(x.client).plain());
    }
    if !headers.contains_key(fields::X_FORWARDED_PROTO) {
        headers.insert(
            fields::X_FORWARDED_PROTO,
            HeaderValue::from_static(x.scheme),
        );
    }
    if !headers.contains_key(fields::X_FORWARDED_HOST) {
        set(headers, fields::X_FORWARDED_HOST, &x.authority);
    }
    if !headers.contains_key(header::FORWARDED) {
        set(
            headers,
            header::FORWARDED,
            &element(x.client, &x.authority, x.scheme),
        );
    }
    set(headers, fields::X_REQUEST_ID, &x.id);
    headers.append(header::VIA, HeaderValue::from_static(fields::VIA));
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Adds the peer to the chain that a trusted proxy sent.
pub fn extend_chain(headers: &mut HeaderMap, peer: IpAddr) {
    for (name, addition) in [
        (fields::X_FORWARDED_FOR, Address(peer).plain()),
        (header::FORWARDED, format!("for={}", Address(peer).node())),
    ] {
        if headers.contains_key(&name) {
            let lines = headers.get_all(&name).iter().map(HeaderValue::as_bytes);
            let mut chain = lines.collect::<Vec<_>>().join(&b", "[..]);
            chain.extend_from_slice(b", ");
            chain.extend_from_slice(addition.as_bytes());
            match HeaderValue::from_bytes(&chain) {
                Ok(chain) => drop(headers.insert(name, chain)),
                Err(_) => drop(headers.remove(name)),
            }
        }
    }
}

/// The client behind a chain of trusted proxies: the last address in `X-Forwarded-For` that is not
/// one of them. An entry that is no address ends the search.
pub fn client_of(headers: &HeaderMap, peer: IpAddr, trusted: impl Fn(IpAddr) -> bool) -> IpAddr {
    let mut client = peer;
    let lines = headers.get_all(fields::X_FORWARDED_FOR).iter().rev();
    for line in lines {
        let Ok(line) = line.to_str() else {
            return client;
        };
        for entry in line.rsplit(',') {
            if !trusted(client) {
                return client;
            }
            let Some(address) = parse_address(entry.trim()) else {
                return client;
            };
            client = address;
        }
    }
    client
}

/// An address, with or without a port.
fn parse_address(text: &str) -> Option<IpAddr> {
    let address = text.parse::<IpAddr>().ok().or_else(|| {
        let bracketed = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'));
        match bracketed {
            Some(inner) => inner.parse().ok(),
            None => text
                .parse::<std::net::SocketAddr>()
                .ok()
                .map(|socket| socket.ip()),
        }
    })?;
    Some(address.to_canonical())
}

fn element(client: IpAddr, authority: &str, scheme: &str) -> String {
    let mut text = String::with_capacity(48 + authority.len());
    let _ = write!(text, "for={};", Address(client).node());
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if authority.bytes().all(token) {
        let _ = write!(text, "host={authority};");
    } else {
        let _ = write!(text, "host=\"{authority}\";");
    }
    let _ = write!(text, "proto={scheme}");
    text
}

struct Address(IpAddr);

impl Address {
    fn plain(&self) -> String {
        self.0.to_string()
    }

    /// As a node of RFC 7239, section 6: IPv6 in brackets and quotes.
    fn node(&self) -> String {
        match self.0 {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("\"[{address}]\""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn forwarded_quotes_what_is_no_token() {
        let of = |client, host| element(ip(client), host, "http");
        assert_eq!(
            of("203.0.113.9", "a.b"),
            "for=203.0.113.9;host=a.b;proto=http"
        );
        assert_eq!(
            of("::1", "a:8080"),
            "for=\"[::1]\";host=\"a:8080\";proto=http"
        );
    }

    #[test]
    fn the_client_is_the_last_one_that_is_not_trusted() {
        let trusted = |address: IpAddr| address.to_string().starts_with("10.");
        let of = |chain: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in chain {
                headers.append(fields::X_FORWARDED_FOR, HeaderValue::from_static(line));
            }
            client_of(&headers, ip("10.0.0.1"), trusted).to_string()
        };
        assert_eq!(of(&[]), "10.0.0.1");
        assert_eq!(of(&["6.6.6.6, 203.0.113.9, 10.0.0.2"]), "203.0.113.9");
        assert_eq!(of(&["6.6.6.6", "203.0.113.9"]), "203.0.113.9");
        assert_eq!(of(&["203.0.113.9:1234"]), "203.0.113.9");
        assert_eq!(of(&["[2001:db8::1]:80"]), "2001:db8::1");
        assert_eq!(of(&["unknown, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(of(&["10.0.0.3"]), "10.0.0.3");
    }

    #[test]
    fn a_trusted_chain_grows_by_the_peer() {
        let mut headers = HeaderMap::new();
        headers.append(
            fields::X_FORWARDED_FOR,
            HeaderValue::from_static("203.0.113.9"),
        );
        headers.append(
            fields::X_FORWARDED_FOR,
            HeaderValue::from_static("10.0.0.2"),
        );
        extend_chain(&mut headers, ip("10.0.0.1"));
        assert_eq!(
            headers[fields::X_FORWARDED_FOR],
            "203.0.113.9, 10.0.0.2, 10.0.0.1"
        );
        assert!(!headers.contains_key(header::FORWARDED));
    }
}

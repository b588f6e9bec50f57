//! What Spin tells a component about its request, in header fields of its own.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::SpinRoute;
use crate::exchange::Exchange;

/// The port of the client's connection, left in the extensions of the exchange's request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerPort(pub(crate) u16);

/// Sets the `spin-*` fields. What a client sent under such a name is gone.
pub(crate) fn dress(route: &SpinRoute, x: &Exchange, headers: &mut HeaderMap) {
    let own = |name: &HeaderName| name.as_str().starts_with("spin-");
    let forged: Vec<_> = headers.keys().filter(|name| own(name)).cloned().collect();
    for name in forged {
        headers.remove(name);
    }

    let path = x.request.uri.path();
    let target = x
        .request
        .uri
        .path_and_query()
        .map_or("/", http::uri::PathAndQuery::as_str);
    // A proxy before the node says whose request it is, but not from which port.
    let port = x.request.extensions.get::<PeerPort>();
    let port = port.map_or(0, |port| port.0);
    let matched = route.raw().strip_suffix('/').unwrap_or(route.raw());
    // As the URI that the component is given (HTTP/1.0 may leave the host out).
    let authority = match &*x.authority {
        "" => "localhost",
        authority => authority,
    };
    let full_url = format!("{}://{authority}{target}", x.scheme);
    let client = std::net::SocketAddr::new(x.client, port).to_string();
    for (name, value) in [
        ("spin-full-url", full_url.as_str()),
        ("spin-path-info", route.rest(path)),
        ("spin-matched-route", matched),
        ("spin-base-path", "/"),
        ("spin-raw-component-route", route.raw()),
        ("spin-component-route", route.prefix()),
        ("spin-client-addr", &client),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    for (name, value) in route.captures(path) {
        let name = format!("spin-path-match-{}", name.to_ascii_lowercase());
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
}

//! What the listener answers by itself, whatever the routes say:
//!
//! * `/.well-known/acme-challenge/TOKEN` -- the proof that an authority looks for while a certificate
//!   is ordered (RFC 8555, section 8.3);
//! * everything that came without TLS, when `listen.redirect_https` is set: 308 to https.

use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, header};
use zephyr_edge_pipeline::admission::{Admitted, Refusal};

use crate::body::Body;
use crate::config::Listen;
use crate::connection::Connection;
use crate::shared::Shared;

/// The answer, when the request is for the listener.
pub(super) fn answer(
    node: &Shared,
    listen: &Listen,
    connection: &Connection,
    admitted: &Admitted,
    parts: &Parts,
) -> Option<Result<Response<Body>, Refusal>> {
    let tls = node.tls.as_ref().filter(|_| !connection.tls)?;
    if let Some(proof) = tls.challenges.answer(parts.uri.path()) {
        let mut response = Response::new(Body::full(proof));
        let headers = response.headers_mut();
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, text);
        let no_store = HeaderValue::from_static("no-store");
        headers.insert(header::CACHE_CONTROL, no_store);
        return Some(Ok(response));
    }
    // A trusted proxy may have spoken TLS with the client.
    if !listen.redirect_https || admitted.scheme == "https" {
        return None;
    }
    let port = listen.https_port.or(Some(tls.port));
    let location = location(&admitted.authority, port.unwrap_or(443), parts);
    Some(location.map(|location| {
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
        response.headers_mut().insert(header::LOCATION, location);
        response
    }))
}

fn location(authority: &str, port: u16, parts: &Parts) -> Result<HeaderValue, Refusal> {
    let host = host_of(authority);
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let text = match port {
        443 => format!("https://{host}{path}"),
        _ => format!("https://{host}:{port}{path}"),
    };
    let location = HeaderValue::try_from(text)
        .ok()
        .filter(|_| !host.is_empty());
    location.ok_or_else(|| {
        let detail = "This server is asked by https, and the request does not say which host.";
        Refusal::new(StatusCode::BAD_REQUEST, detail)
    })
}

/// The authority without its port.
fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_keeps_all_but_scheme_and_port() {
        let of = |authority, port, target: &'static str| {
            let (parts, ()) = http::Request::get(target).body(()).unwrap().into_parts();
            location(authority, port, &parts)
                .map(|value| value.to_str().unwrap().to_owned())
                .map_err(|refusal| refusal.status)
        };
        let https = |text: &str| Ok(text.to_owned());
        assert_eq!(of("a.test", 443, "/x?y"), https("https://a.test/x?y"));
        assert_eq!(of("a.test:8080", 8443, "/"), https("https://a.test:8443/"));
        assert_eq!(of("[::1]:8080", 443, "/"), https("https://[::1]/"));
        assert_eq!(of("[::1]", 443, "/"), https("https://[::1]/"));
        assert_eq!(of("", 443, "/"), Err(StatusCode::BAD_REQUEST));
    }
}

//! A request's head in the form of HTTP/1.1 and of HTTP/2, and a request without a body once more.

use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, Method, Request, Version, header};

use crate::body::Body;
use crate::config::Origin;

/// On HTTP/2 scheme and authority are part of the target, and take the place of `Host` (RFC 9113,
/// section 8.3.1).
pub(super) fn to_http2(request: &mut Request<Body>, origin: &Origin) {
    if request.version() == Version::HTTP_2 {
        return;
    }
    // It names `TE` where trailers are asked for; HTTP/2 knows no such field.
    request.headers_mut().remove(header::CONNECTION);
    let host = request.headers_mut().remove(header::HOST);
    let authority = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(match origin.is_tls() {
        true => http::uri::Scheme::HTTPS,
        false => http::uri::Scheme::HTTP,
    });
    parts.authority = Some(authority.unwrap_or_else(|| origin.authority().clone()));
    parts.path_and_query = request.uri().path_and_query().cloned();
    if let Ok(uri) = http::Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    *request.version_mut() = Version::HTTP_2;
}

/// Back again, when the next server does not speak HTTP/2.
pub(super) fn to_http1(request: &mut Request<Body>) {
    if request.version() == Version::HTTP_2 {
        let host = request.uri().authority().map(Authority::as_str);
        if let Some(Ok(host)) = host.map(HeaderValue::from_str) {
            request.headers_mut().insert(header::HOST, host);
        }
        let root = || PathAndQuery::from_static("/");
        let target = request.uri().path_and_query().cloned();
        *request.uri_mut() = http::Uri::from(target.unwrap_or_else(root));
    }
    *request.version_mut() = Version::HTTP_11;
}

/// A request without a body once more.
pub(super) fn copy_of(request: &Request<Body>) -> Request<Body> {
    let mut copy = Request::new(Body::Empty);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    copy
}

/// RFC 9110, section 9.2.2.
pub(super) fn is_idempotent(method: &Method) -> bool {
    is_safe(method) || matches!(*method, Method::PUT | Method::DELETE)
}

/// RFC 9110, section 9.2.1.
pub(super) fn is_safe(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
    )
}

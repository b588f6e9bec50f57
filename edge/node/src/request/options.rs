//! `OPTIONS` that asks the node and not what lies behind it.

use http::request::Parts as RequestParts;
use http::response::Parts;
use http::{HeaderValue, Response, StatusCode, header};
use zephyr_edge_pipeline::stages;

use crate::body::Body;

/// Whether the node is to answer: the target is the server (RFC 9112, section 3.2.4), or the request
/// has come as far as it may (RFC 9110, section 7.6.2). If not, one more step is counted.
pub(super) fn is_asked(parts: &mut RequestParts) -> bool {
    if parts.uri.path() == "*" {
        return true;
    }
    let Some(steps) = parts.headers.get(header::MAX_FORWARDS) else {
        return false;
    };
    let steps = steps
        .to_str()
        .ok()
        .and_then(|steps| steps.parse::<u32>().ok());
    match steps {
        Some(0) => true,
        Some(steps) => {
            let left = HeaderValue::from(steps - 1);
            parts.headers.insert(header::MAX_FORWARDS, left);
            false
        }
        None => false,
    }
}

/// What the node can do, whatever lies behind it.
pub(super) fn answer(id: &str) -> (Parts, Body) {
    let mut parts = Response::new(()).into_parts().0;
    parts.status = StatusCode::NO_CONTENT;
    let methods = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    parts.headers.insert(header::ALLOW, methods);
    stages::finish(id, &mut parts);
    (parts, Body::Empty)
}

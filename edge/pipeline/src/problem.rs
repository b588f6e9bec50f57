//! Problem bodies (RFC 9457) as answers of the edge itself.

use http::{HeaderValue, Response, StatusCode, header};
use zephyr_edge_core::Problem;

use crate::proxy_status::{self, ErrorType, PROXY_STATUS};

/// An answer with a problem body, which no cache may keep. Its `Proxy-Status` says what the status
/// says; who knows better says it there.
#[must_use]
pub fn response(status: u16, detail: &str, id: &str) -> Response<Vec<u8>> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::new(json(status, detail, id));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(Problem::CONTENT_TYPE),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let kind = ErrorType::of_refusal(status);
    headers.insert(PROXY_STATUS, proxy_status::value(kind, None, detail));
    response
}

/// Only the body.
#[must_use]
pub fn json(status: StatusCode, detail: &str, id: &str) -> Vec<u8> {
    let title = status.canonical_reason().unwrap_or("Error");
    Problem::new(status.as_u16(), title, detail, id).to_json()
}

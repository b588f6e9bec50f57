//! From a stored answer to the answer of one request: 200, 206, 304 or 416.

use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use zephyr_cache::range::{self, Range};
use zephyr_cache::status::Status;
use zephyr_cache::{conditional, groups, storable};

use super::stored::Stored;
use crate::body::Body;

/// `Cache-Status` (RFC 9211).
pub(super) const CACHE_STATUS: http::HeaderName = http::HeaderName::from_static("cache-status");

/// Answers a request from the store.
pub(super) fn from_store(
    stored: &Stored,
    method: &Method,
    request: &HeaderMap,
    now: std::time::Duration,
    status: &Status<'_>,
) -> (Parts, Body) {
    let (mut parts, ()) = http::Response::new(()).into_parts();
    parts.status = stored.status;
    parts.headers = stored.headers.clone();
    let age = stored.freshness.age(now);
    parts.headers.insert(header::AGE, HeaderValue::from(age));
    tell(&mut parts.headers, status);
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let body = if stored.status == StatusCode::OK {
        match partly(stored, method, request, seconds, &mut parts) {
            Some(body) => body,
            None => Body::full(stored.body.clone()),
        }
    } else {
        Body::full(stored.body.clone())
    };
    if *method == Method::HEAD {
        let length = HeaderValue::from(stored.body.len());
        parts
            .headers
            .entry(header::CONTENT_LENGTH)
            .or_insert(length);
        return (parts, Body::Empty);
    }
    (parts, body)
}

/// What conditions and ranges leave of a 200 (RFC 9110, section 13.2.2: conditions first).
fn partly(
    stored: &Stored,
    method: &Method,
    request: &HeaderMap,
    now: i64,
    parts: &mut Parts,
) -> Option<Body> {
    if conditional::not_modified(request, &stored.headers, now) {
        parts.status = StatusCode::NOT_MODIFIED;
        for name in &conditional::NOT_MODIFIED_OMITS {
            parts.headers.remove(name);
        }
        return Some(Body::Empty);
    }
    if *method != Method::GET {
        return None;
    }
    let length = stored.body.len() as u64;
    match range::select(request, &stored.headers, length) {
        Range::Whole => None,
        Range::Part(first, last) => {
            parts.status = StatusCode::PARTIAL_CONTENT;
            let range = format!("bytes {first}-{last}/{length}");
            if let Ok(range) = HeaderValue::from_str(&range) {
                parts.headers.insert(header::CONTENT_RANGE, range);
            }
            let part = stored.body.slice(first as usize..=last as usize);
            parts
                .headers
                .insert(header::CONTENT_LENGTH, HeaderValue::from(part.len()));
            Some(Body::full(part))
        }
        Range::Unsatisfiable => {
            parts.status = StatusCode::RANGE_NOT_SATISFIABLE;
            if let Ok(range) = HeaderValue::from_str(&format!("bytes */{length}")) {
                parts.headers.insert(header::CONTENT_RANGE, range);
            }
            parts
                .headers
                .insert(header::CONTENT_LENGTH, HeaderValue::from(0));
            Some(Body::Empty)
        }
    }
}

/// Appends this cache's member: it stands nearest to the client, so last (RFC 9211, section 2).
pub(super) fn tell(headers: &mut HeaderMap, status: &Status<'_>) {
    if let Ok(value) = HeaderValue::from_str(&status.to_text()) {
        headers.append(CACHE_STATUS, value);
    }
}

/// Takes off what the upstream says to this cache alone.
pub(super) fn strip(headers: &mut HeaderMap) {
    for name in [
        groups::SURROGATE_KEY,
        groups::CACHE_TAG,
        storable::CDN_CACHE_CONTROL,
    ] {
        headers.remove(name);
    }
}

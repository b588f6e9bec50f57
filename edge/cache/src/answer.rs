//! From a stored answer to the answer of one request: 200, 206, 304 or 416.

use std::time::Duration;

use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::date;
use crate::freshness::Freshness;
use crate::part::Part as Stretch;
use crate::range::{self, Range};
use crate::status::{self, Status};
use crate::{conditional, groups, stored::Head};

/// `Cache-Status` (RFC 9211).
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// What of a stored body goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// Nothing.
    Nothing,
    /// From the first to the last byte of what is stored, both included.
    Range(u64, u64),
}

/// What is stored of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// All of it: so many bytes.
    Whole(u64),
    /// This part of it.
    Part(Stretch),
}

/// Answers a request from the store: the head, and what of the stored body goes with it.
#[must_use]
pub fn from_store(
    head: &Head,
    held: Held,
    freshness: &Freshness,
    method: &Method,
    request: &HeaderMap,
    now: Duration,
    status: &Status<'_>,
) -> (Parts, Part) {
    let (mut parts, ()) = http::Response::new(()).into_parts();
    parts.status = head.status;
    parts.headers = head.headers.clone();
    let age = HeaderValue::from(freshness.age(now));
    parts.headers.insert(header::AGE, age);
    let value = status_value(head.before.as_ref(), status);
    parts.headers.insert(CACHE_STATUS, value);
    let (length, partly) = match held {
        Held::Part(part) => (
            part.len(),
            Some(stretch(head, &part, request, now, &mut parts)),
        ),
        Held::Whole(length) if head.status == StatusCode::OK => {
            let partly = partly(head, length, method, request, now, &mut parts);
            (length, partly)
        }
        Held::Whole(length) => (length, None),
    };
    if *method == Method::HEAD {
        if partly.is_none() {
            // What GET would have said.
            let length = HeaderValue::from(length);
            let length_of = parts.headers.entry(header::CONTENT_LENGTH);
            length_of.or_insert(length);
        }
        return (parts, Part::Nothing);
    }
    (parts, partly.unwrap_or(Part::Whole))
}

/// What a stored part has of what is asked for, unless the client has that already (RFC 9111, section
/// 4.3.2, speaks of a stored 206 as well). It was looked up by that, so it has it; should it not, all
/// that it has is given, which says of itself what it is.
fn stretch(
    head: &Head,
    part: &Stretch,
    request: &HeaderMap,
    now: Duration,
    parts: &mut Parts,
) -> Part {
    if is_not_modified(request, &head.headers, now) {
        to_not_modified(parts);
        return Part::Nothing;
    }
    let (first, last) = part
        .answers(request, &head.headers)
        .unwrap_or((part.first, part.last));
    parts.status = StatusCode::PARTIAL_CONTENT;
    if let Some(range) = part.content_range(first, last) {
        parts.headers.insert(header::CONTENT_RANGE, range);
    }
    let length = HeaderValue::from(last - first + 1);
    parts.headers.insert(header::CONTENT_LENGTH, length);
    Part::Range(first - part.first, last - part.first)
}

/// What conditions and ranges leave of a 200 (RFC 9110, section 13.2.2: conditions first).
fn partly(
    head: &Head,
    length: u64,
    method: &Method,
    request: &HeaderMap,
    now: Duration,
    parts: &mut Parts,
) -> Option<Part> {
    if is_not_modified(request, &head.headers, now) {
        to_not_modified(parts);
        return Some(Part::Nothing);
    }
    // Section 14.2: of a GET only.
    if *method != Method::GET || !request.contains_key(header::RANGE) {
        return None;
    }
    match range::select(request, &head.headers, length) {
        Range::Whole => None,
        Range::Part(first, last) => {
            parts.status = StatusCode::PARTIAL_CONTENT;
            set(
                parts,
                header::CONTENT_RANGE,
                &format!("bytes {first}-{last}/{length}"),
            );
            let length = HeaderValue::from(last - first + 1);
            parts.headers.insert(header::CONTENT_LENGTH, length);
            Some(Part::Range(first, last))
        }
        Range::Unsatisfiable => {
            parts.status = StatusCode::RANGE_NOT_SATISFIABLE;
            // What the fields tell is about the whole: nobody may store this as if it were that.
            let about_the_whole = [
                header::CONTENT_TYPE,
                header::CONTENT_ENCODING,
                header::CONTENT_LANGUAGE,
                header::EXPIRES,
                header::ETAG,
                header::LAST_MODIFIED,
            ];
            for name in about_the_whole {
                parts.headers.remove(name);
            }
            set(parts, header::CACHE_CONTROL, "no-store");
            set(parts, header::CONTENT_RANGE, &format!("bytes */{length}"));
            set(parts, header::CONTENT_LENGTH, "0");
            Some(Part::Nothing)
        }
    }
}

fn set(parts: &mut Parts, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        parts.headers.insert(name, value);
    }
}

/// Whether the client has this already.
#[must_use]
pub fn is_not_modified(request: &HeaderMap, answer: &HeaderMap, now: Duration) -> bool {
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    conditional::is_conditional(request) && conditional::not_modified(request, answer, seconds)
}

/// Makes the head of a 200 that of a 304.
pub fn to_not_modified(parts: &mut Parts) {
    parts.status = StatusCode::NOT_MODIFIED;
    for name in &conditional::NOT_MODIFIED_OMITS {
        parts.headers.remove(name);
    }
}

/// Makes the head of a new answer the client's: what is for caches alone is taken off and what this
/// cache did is told. True when the client has the answer already, so that the head is now a 304's
/// and no body goes with it; what is stored of it is read all the same.
pub fn to_client(
    parts: &mut Parts,
    request: &HeaderMap,
    status: &Status<'_>,
    arrived: Duration,
) -> bool {
    strip(&mut parts.headers);
    tell(&mut parts.headers, status);
    let has_it =
        parts.status == StatusCode::OK && is_not_modified(request, &parts.headers, arrived);
    if has_it {
        to_not_modified(parts);
    }
    has_it
}

/// Adds this cache's member: it stands nearest to the client, so last (RFC 9211, section 2).
pub fn tell(headers: &mut HeaderMap, status: &Status<'_>) {
    let before = joined(headers, &CACHE_STATUS);
    headers.insert(CACHE_STATUS, status_value(before.as_ref(), status));
}

/// Adds the key that was looked up to this cache's member, which stands last (RFC 9211, section 2.7).
pub fn tell_key(headers: &mut HeaderMap, key: &str) {
    if let Some(told) = headers.get(&CACHE_STATUS)
        && let Some(value) = with_key(told, key)
    {
        headers.insert(CACHE_STATUS, value);
    }
}

/// The field with the key in its last member.
#[must_use]
pub fn with_key(told: &HeaderValue, key: &str) -> Option<HeaderValue> {
    let mut text = told.as_bytes().to_vec();
    text.extend_from_slice(b"; key=");
    status::append_string(&mut text, key);
    HeaderValue::from_bytes(&text).ok()
}

/// The field of an answer that has no other member.
#[must_use]
pub fn alone(status: &Status<'_>) -> HeaderValue {
    status_value(None, status)
}

/// The lines of a field as one, in bytes of their own.
#[must_use]
pub fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next()?;
    let mut text = first.as_bytes().to_vec();
    for line in lines {
        text.extend_from_slice(b", ");
        text.extend_from_slice(line.as_bytes());
    }
    HeaderValue::from_bytes(&text).ok()
}

fn status_value(before: Option<&HeaderValue>, status: &Status<'_>) -> HeaderValue {
    thread_local! {
        static TEXT: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    TEXT.with_borrow_mut(|text| {
        text.clear();
        if let Some(before) = before {
            text.extend_from_slice(before.as_bytes());
            text.extend_from_slice(b", ");
        }
        status.append(text);
        HeaderValue::from_bytes(text).unwrap_or(HeaderValue::from_static(""))
    })
}

/// Takes off what the upstream says to this cache alone. `CDN-Cache-Control` is not of that kind: the
/// next cache towards the client may be of the same network (RFC 9213, section 3.1).
pub fn strip(headers: &mut HeaderMap) {
    for name in [groups::SURROGATE_KEY, groups::CACHE_TAG] {
        headers.remove(name);
    }
}

/// An answer without a date gets that of its arrival (RFC 9110, section 6.6.1): given later, it would
/// look as if it were made then.
pub fn set_date(headers: &mut HeaderMap, arrived: Duration) {
    let seconds = i64::try_from(arrived.as_secs()).unwrap_or(i64::MAX);
    let known = headers
        .get(header::DATE)
        .and_then(|date| date::parse(date.to_str().ok()?, seconds));
    if known.is_none()
        && let Ok(date) = HeaderValue::from_str(&date::format(seconds))
    {
        headers.insert(header::DATE, date);
    }
}

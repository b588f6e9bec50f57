//! From a stored answer to the answer of one request, body and all; what its head says is decided in
//! [`zephyr_cache::answer`].

use std::time::Duration;

use http::response::Parts;
use http::{HeaderMap, Method};
use zephyr_cache::Status;
use zephyr_cache::answer::{self, Held, Part};
pub(super) use zephyr_cache::answer::{set_date, strip, tell, tell_key, to_client, with_key};

use super::stored::Stored;
use crate::body::Body;

/// Answers a request from the store.
pub(super) fn from_store(
    stored: &Stored,
    method: &Method,
    request: &HeaderMap,
    now: Duration,
    status: &Status<'_>,
) -> (Parts, Body) {
    let whole = Held::Whole(stored.body.length());
    let held = stored.part.map_or(whole, Held::Part);
    let (head, freshness) = (&stored.head, &stored.freshness);
    let (parts, part) = answer::from_store(head, held, freshness, method, request, now, status);
    let body = match part {
        Part::Whole => stored.body.whole(),
        Part::Nothing => Body::Empty,
        Part::Range(first, last) => stored.body.part(first, last),
    };
    (parts, body)
}

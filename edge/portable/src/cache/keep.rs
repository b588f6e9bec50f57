//! Storing an answer: whether it may be, with what, and for how long.

use std::time::Duration;

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, Method, StatusCode, header};
use zephyr_cache::{Candidate, Freshness, Head, NotStorable, Part, Selection, name};
use zephyr_edge_pipeline::Exchange;

use super::place::Place;
use super::{Marks, Meta, Record, Trip};
use crate::edge::Edge;
use crate::platform::{HostBody, Platform};

/// An answer with a validator is kept this long past its lifetime: asking about it is cheaper than
/// fetching it again.
const WORTH_ASKING: u64 = 24 * 60 * 60;
/// The longest time that an answer is kept.
const LONGEST: u64 = 30 * 24 * 60 * 60;

impl<P: Platform> Edge<P> {
    /// Stores an answer while it goes to the client.
    pub(super) async fn keep(
        &self,
        place: &Place,
        meta: Box<Meta>,
        selection: &Selection,
        trip: Trip,
        body: P::Body,
    ) -> P::Body {
        let retention = retention(&meta, trip.arrived);
        let record = Record::Answer(meta);
        let host = self.platform();
        if selection.is_empty() {
            return host.save(&place.base, record, retention, body).await;
        }
        let names = selection.names().map(|name| name.as_str().to_owned());
        let index = Record::Vary(names.collect());
        let nothing = P::Body::from(Bytes::new());
        let longest = Duration::from_secs(LONGEST);
        host.save(&place.base, index, longest, nothing).await;
        let at = place.variant(selection);
        host.save(&at, record, retention, body).await
    }
}

/// What a new answer is stored with.
pub(super) fn meta(
    x: &Exchange,
    parts: &Parts,
    freshness: Freshness,
    trip: Trip,
    length: Option<u64>,
) -> Box<Meta> {
    let is_part = parts.status == StatusCode::PARTIAL_CONTENT;
    let part = is_part.then(|| Part::of(&x.request.headers, &parts.headers));
    Box::new(Meta {
        head: Head::new(parts.status, &parts.headers),
        part: part.flatten(),
        freshness,
        names: names_of(x, &parts.headers),
        began: trip.began,
        length,
    })
}

pub(super) fn candidate<'a>(
    x: &'a Exchange,
    status: StatusCode,
    response: &'a HeaderMap,
    trip: Trip,
) -> Candidate<'a> {
    Candidate {
        method: &Method::GET,
        request: &x.request.headers,
        status,
        response,
        filters: &x.cache,
        asked: trip.asked,
        arrived: trip.arrived,
    }
}

pub(super) fn assess(
    x: &Exchange,
    status: StatusCode,
    headers: &HeaderMap,
    trip: Trip,
) -> Result<Freshness, NotStorable> {
    candidate(x, status, headers, trip).assess()
}

/// How many bytes the body has, when that is known or told.
pub(super) fn length<P: Platform>(headers: &HeaderMap, body: &P::Body) -> Option<u64> {
    let told = headers.get(header::CONTENT_LENGTH);
    let told = told.and_then(|told| told.to_str().ok()?.parse().ok());
    body.length().or(told)
}

/// Marks of the names that an answer is purged by.
pub(super) fn names_of(x: &Exchange, headers: &HeaderMap) -> Vec<String> {
    name::of_answer(&x.authority, &x.request.uri, &x.cache, headers, |names| {
        names.map(|name| Marks::mark_of(&name)).collect()
    })
}

/// How long an answer can be of use.
fn retention(meta: &Meta, now: Duration) -> Duration {
    let freshness = &meta.freshness;
    let fresh = u64::try_from(freshness.ttl(now)).unwrap_or_default();
    let headers = &meta.head.headers;
    let validator =
        headers.contains_key(header::ETAG) || headers.contains_key(header::LAST_MODIFIED);
    let stale = u64::from(
        freshness
            .stale_while_revalidate
            .max(freshness.stale_if_error)
            .max(freshness.stale_if_unreachable),
    );
    let stale = stale.max(if validator { WORTH_ASKING } else { 0 });
    Duration::from_secs(fresh.saturating_add(stale).clamp(1, LONGEST))
}

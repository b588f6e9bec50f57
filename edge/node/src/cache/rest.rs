//! The rest of an answer of which a part is stored (RFC 9111, section 3.4): what is lacking is asked
//! for, and goes to the client and into the store behind what is there.

use std::sync::Arc;

use http::response::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use zephyr_cache::part::Lacking;
use zephyr_cache::{Head, Part, Selection, Status, revalidate};

use super::forward::{Errand, Trip, assess};
use super::keep::Keep;
use super::stored::Stored;
use super::{Cache, answer, fill, splice};
use crate::body::Body;
use crate::exchange::Exchange;

/// A stored part, and what is asked for behind it.
pub(super) struct Rest {
    pub(super) stored: Arc<Stored>,
    part: Part,
    lacking: Lacking,
}

impl Cache {
    /// What to ask for behind a stored part, when that helps.
    pub(super) fn rest_of(&self, stored: &Arc<Stored>, request: &HeaderMap) -> Option<Rest> {
        let part = stored.part?;
        // What is not in memory is better fetched as it was asked for, too.
        stored.body.bytes()?;
        let lacking = part.lacking(request, &stored.head.headers)?;
        // What would not be stored as one piece is better fetched as it was asked for.
        let length = lacking.until.or(part.complete).unwrap_or(0);
        (length <= self.largest).then(|| Rest {
            stored: Arc::clone(stored),
            part,
            lacking,
        })
    }
}

impl Rest {
    pub(super) fn ask(&self, request: &mut HeaderMap) {
        self.lacking.ask(request, &self.stored.head.headers);
    }

    /// What both are together, when the answer brings what was asked for.
    pub(super) fn joined(&self, sent: &HeaderMap, parts: &Parts) -> Option<Part> {
        if parts.status != StatusCode::PARTIAL_CONTENT {
            return None;
        }
        let next = Part::of(sent, &parts.headers)?;
        let own = &self.stored.head.headers;
        let joined = self.part.joined(own, &next, &parts.headers)?;
        let enough = match self.lacking.wanted {
            None => joined.is_whole(),
            Some((_, last)) => last <= joined.last || joined.complete == Some(joined.last + 1),
        };
        (next.first == self.lacking.from && enough).then_some(joined)
    }

    /// Gives both to the client and to the store.
    pub(super) async fn complete(
        self,
        cache: &Arc<Cache>,
        x: &Exchange,
        errand: Errand<'_>,
        joined: Part,
        (parts, body): (Parts, Body),
        trip: Trip,
    ) -> (Parts, Body) {
        // The stored fields, with those of the new answer over them.
        let mut headers = revalidate::freshened(&self.stored.head, &parts.headers, trip.arrived);
        let status = if joined.is_whole() {
            headers.remove(header::CONTENT_RANGE);
            StatusCode::OK
        } else {
            if let Some(range) = joined.content_range(joined.first, joined.last) {
                headers.insert(header::CONTENT_RANGE, range);
            }
            StatusCode::PARTIAL_CONTENT
        };
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(joined.len()));
        let mut told = Status {
            forward: Some(errand.reason),
            forward_status: Some(parts.status.as_u16()),
            ..Status::default()
        };
        let request = &x.request.headers;
        let here = self.stored.body.bytes().cloned().unwrap_or_default();
        let mut body = splice::behind(here, body);
        let given = Given::of(self.lacking.wanted, joined);
        if let (Ok(freshness), Some(selection)) = (
            assess(x, status, &headers, trip),
            Selection::new(&headers, request),
        ) {
            told.stored = true;
            told.ttl = Some(freshness.ttl(trip.arrived));
            let names = cache
                .names(x, &headers, trip.began)
                .with(&self.stored.names);
            let keep = Keep {
                cache: Arc::clone(cache),
                key: errand.key.clone(),
                flight: errand.flight,
                request: request.clone(),
                head: Head::new(status, &headers),
                part: (!joined.is_whole()).then_some(joined),
                freshness,
                selection,
                names,
                pilot: errand.pilot,
            };
            body = fill::collect(body, keep).await;
        }
        let mut parts = parts;
        parts.headers = headers;
        given.head(&mut parts);
        answer::strip(&mut parts.headers);
        answer::tell(&mut parts.headers, &told);
        (parts, splice::without(given.skip, body))
    }
}

/// What of the two goes to the client.
struct Given {
    range: Option<(u64, u64)>,
    joined: Part,
    skip: u64,
}

impl Given {
    fn of(wanted: Option<(u64, u64)>, joined: Part) -> Self {
        let range = wanted.map(|(first, _)| (first, joined.last));
        Self {
            range,
            joined,
            skip: range.map_or(0, |(first, _)| first - joined.first),
        }
    }

    fn head(&self, parts: &mut Parts) {
        let Some((first, last)) = self.range else {
            parts.status = StatusCode::OK;
            return;
        };
        parts.status = StatusCode::PARTIAL_CONTENT;
        if let Some(range) = self.joined.content_range(first, last) {
            parts.headers.insert(header::CONTENT_RANGE, range);
        }
        let length = HeaderValue::from(last - first + 1);
        parts.headers.insert(header::CONTENT_LENGTH, length);
    }
}

//! A new answer: to the client as it comes, and into the store if it may be there.

use std::sync::Arc;

use http::response::Parts;
use http::{HeaderMap, StatusCode, header};
use http_body::Body as _;
use zephyr_cache::{Head, NotStorable, Part, Selection, Status, slices};

use super::flight::{PASS, PASS_FAILURE};
use super::forward::{Errand, Trip, assess};
use super::keep::Keep;
use super::{Cache, answer, fill};
use crate::body::Body;
use crate::exchange::Exchange;

impl Cache {
    /// A new answer goes to the client, and into the store if it may.
    pub(super) async fn take(
        self: &Arc<Self>,
        x: &Exchange,
        errand: Errand<'_>,
        mut parts: Parts,
        body: Body,
        trip: Trip,
    ) -> (Parts, Body) {
        answer::set_date(&mut parts.headers, trip.arrived);
        let request = &x.request.headers;
        let cuts = self.cuts(request, &parts);
        let assessed = if cuts.is_none() && length(&parts.headers, &body) > self.largest {
            Err(NotStorable::TooLarge)
        } else {
            assess(x, parts.status, &parts.headers, trip)
        };
        let selection = Selection::new(&parts.headers, request);
        let mut status = Status {
            forward: Some(errand.reason),
            forward_status: Some(parts.status.as_u16()),
            ..Status::default()
        };
        let body = match (assessed, selection) {
            (Ok(freshness), Some(selection)) => {
                status.stored = true;
                status.ttl = Some(freshness.ttl(trip.arrived));
                let age = freshness.age(trip.arrived);
                if age > 0 {
                    // What the trip took counts as well (section 4.2.3).
                    parts.headers.insert(header::AGE, age.into());
                }
                let is_part = parts.status == StatusCode::PARTIAL_CONTENT && cuts.is_none();
                let head = match cuts {
                    Some((_, slices)) => {
                        let (headers, complete) = (&parts.headers, slices.complete());
                        let headers = slices::of_the_whole(parts.status, headers, complete);
                        Head::new(StatusCode::OK, &headers)
                    }
                    None => Head::new(parts.status, &parts.headers),
                };
                let keep = Keep {
                    cache: Arc::clone(self),
                    key: errand.key.clone(),
                    flight: errand.flight,
                    request: request.clone(),
                    head,
                    part: is_part.then(|| Part::of(request, &parts.headers)).flatten(),
                    freshness,
                    selection,
                    names: self.names(x, &parts.headers, trip.began),
                    pilot: errand.pilot,
                };
                match cuts {
                    Some((part, slices)) => Self::pass_in_slices(keep, part, slices, body),
                    None => fill::collect(body, keep).await,
                }
            }
            (assessed, _) => {
                let why = assessed.err().unwrap_or(NotStorable::Vary);
                status.detail = Some(x.cache.bypass.as_deref().unwrap_or(why.token()));
                self.refuse(errand, request, parts.status, why);
                body
            }
        };
        if answer::to_client(&mut parts, request, &status, trip.arrived) {
            return (parts, Body::Empty);
        }
        (parts, body)
    }

    /// An answer that cannot be stored: nobody needs to wait for its like, and what it takes the
    /// place of is history, unless it is only a failure.
    fn refuse(
        &self,
        errand: Errand<'_>,
        request: &HeaderMap,
        status: StatusCode,
        why: NotStorable,
    ) {
        if why == NotStorable::RequestNoStore {
            // This client's own wish says nothing about the answer.
            return;
        }
        if !status.is_server_error() && errand.validate.is_some() {
            self.drop_stored(errand.key, request);
        }
        let how_long = if status.is_server_error() {
            PASS_FAILURE
        } else {
            PASS
        };
        self.pass_flight(errand.key.hash(), errand.flight, how_long);
        if let Some(pilot) = errand.pilot {
            pilot.land_alone();
        }
    }
}

/// How long the body will be at least.
pub(super) fn length(headers: &HeaderMap, body: &Body) -> u64 {
    let told = headers.get(header::CONTENT_LENGTH);
    let told = told.and_then(|told| told.to_str().ok()?.parse().ok());
    body.size_hint().lower().max(told.unwrap_or(0))
}

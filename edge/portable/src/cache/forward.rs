//! Going to the upstream for an answer, and what becomes of it: stored and given, a stored one made
//! fresh again, or a stored one given in its place.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, StatusCode, header};
use zephyr_cache::reuse::{self, Failure};
use zephyr_cache::{Head, NotStorable, Selection, Status, answer, conditional, revalidate};
use zephyr_edge_pipeline::stages::Answer;
use zephyr_edge_pipeline::{Exchange, ProxyError, Source};

use super::keep::{assess, length, meta, names_of};
use super::{Errand, Found, Marks, Meta, Served, Trip, give};
use crate::edge::Edge;
use crate::platform::Platform;

impl<P: Platform> Edge<P> {
    /// One trip, and what becomes of its answer.
    pub(super) async fn forward(
        &self,
        route: usize,
        x: &mut Exchange,
        mut errand: Errand<P::Body>,
        marks: &Rc<Marks>,
    ) -> Served<P> {
        loop {
            let mut headers = x.request.headers.clone();
            let validate = errand.validate.as_ref();
            // With nothing stored, the client's own conditions and range are for the upstream: the
            // whole may be far larger than the part that it asks for.
            let own = validate.is_none() && conditional::is_conditional(&headers);
            let asked_about = validate.is_some_and(|found| {
                for name in &conditional::CONDITIONS {
                    if found.meta.part.is_none() || *name != header::RANGE {
                        headers.remove(name);
                    }
                }
                revalidate::ask(&mut headers, &found.meta.head.headers)
            });
            let nothing = P::Body::from(Bytes::new());
            let (result, trip) = self.timed(route, x, headers, nothing, marks).await;
            if let Some(found) = Self::in_place_of(&mut errand, &result, trip.arrived) {
                return self
                    .give_stale(x, found, errand.reason, &result, trip.arrived)
                    .await;
            }
            let (mut parts, body) = result.map_err(|error| cut_off(error, &errand))?;
            if own && parts.status == StatusCode::NOT_MODIFIED {
                let status = Status {
                    forward: Some(errand.reason),
                    forward_status: Some(parts.status.as_u16()),
                    ..Status::default()
                };
                answer::strip(&mut parts.headers);
                answer::tell(&mut parts.headers, &status);
                return Ok((parts, body));
            }
            if parts.status != StatusCode::NOT_MODIFIED {
                return Ok(self.take(x, errand, parts, body, trip).await);
            }
            match errand.validate.take() {
                Some(found) if asked_about => {
                    if revalidate::is_about(&parts.headers, &found.meta.head.headers) {
                        return self.freshen(x, errand, found, &parts, trip).await;
                    }
                    // RFC 9111, section 4.3.4: it is about an answer that is not here. Once more, and
                    // for the whole.
                    self.platform().remove(&found.at).await;
                }
                _ => return Err(ProxyError::unasked_not_modified()),
            }
        }
    }

    /// One trip, and when it was made.
    pub(super) async fn timed(
        &self,
        route: usize,
        x: &mut Exchange,
        headers: HeaderMap,
        body: P::Body,
        marks: &Marks,
    ) -> (Served<P>, Trip) {
        let asked = self.platform().now();
        let result = self.trip(route, x, headers, body).await;
        let trip = Trip {
            began: marks.version(),
            asked,
            arrived: self.platform().now(),
        };
        (result, trip)
    }

    /// The stale answer that may be given in the place of a failure (RFC 5861, section 4).
    pub(super) fn in_place_of(
        errand: &mut Errand<P::Body>,
        result: &Served<P>,
        now: Duration,
    ) -> Option<Found<P::Body>> {
        let failure = match result {
            Ok((parts, _)) => Failure::of(parts.status),
            Err(error) => (error.source == Source::Upstream).then_some(Failure::Unreachable),
        }?;
        let may =
            |found: &mut Found<P::Body>| reuse::serves_errors(&found.meta.freshness, now, failure);
        errand.validate.take_if(may)
    }

    pub(super) async fn give_stale(
        &self,
        x: &Exchange,
        found: Found<P::Body>,
        reason: &'static str,
        result: &Served<P>,
        now: Duration,
    ) -> Served<P> {
        self.upstream_failed(&found.at, now);
        let answered = result.as_ref().ok();
        let status = Status {
            forward: Some(reason),
            forward_status: answered.map(|(parts, _)| parts.status.as_u16()),
            ttl: Some(found.meta.freshness.ttl(now)),
            detail: Some("stale-if-error"),
            ..Status::default()
        };
        give::give::<P>(x, found, now, &status).await
    }

    /// A 304, or what was told of a HEAD, makes the stored answer fresh again (RFC 9111, sections
    /// 4.3.4 and 4.3.5).
    pub(super) async fn freshen(
        &self,
        x: &Exchange,
        errand: Errand<P::Body>,
        mut found: Found<P::Body>,
        parts: &Parts,
        trip: Trip,
    ) -> Served<P> {
        let headers = revalidate::freshened(&found.meta.head, &parts.headers, trip.arrived);
        let status = found.meta.head.status;
        let request = &x.request.headers;
        let assessed = assess(x, status, &headers, trip);
        let mut kept = false;
        match (assessed, Selection::new(&headers, request)) {
            (Ok(freshness), Some(selection)) => {
                // A 304 need not repeat what the answer was tagged with.
                let mut names = names_of(x, &headers);
                names.extend(found.meta.names.iter().cloned());
                names.sort_unstable();
                names.dedup();
                let meta = Box::new(Meta {
                    head: Head::new(status, &headers),
                    part: found.meta.part,
                    freshness,
                    names,
                    began: trip.began,
                    length: found.meta.length,
                });
                found.meta = meta.clone();
                let place = &errand.place;
                found.body = self.keep(place, meta, &selection, trip, found.body).await;
                kept = true;
            }
            // It may be given this once, because it was just asked about.
            _ => self.platform().remove(&found.at).await,
        }
        let status = Status {
            forward: Some(errand.reason),
            forward_status: Some(parts.status.as_u16()),
            ttl: Some(found.meta.freshness.ttl(trip.arrived)),
            stored: kept,
            ..Status::default()
        };
        let (mut given, body) = give::give::<P>(x, found, trip.arrived, &status).await?;
        revalidate::hand_on(&mut given.headers, &headers, &parts.headers);
        Ok((given, body))
    }

    /// A new answer goes to the client, and into the store if it may.
    async fn take(
        &self,
        x: &Exchange,
        errand: Errand<P::Body>,
        mut parts: Parts,
        body: P::Body,
        trip: Trip,
    ) -> Answer<P::Body> {
        answer::set_date(&mut parts.headers, trip.arrived);
        let request = &x.request.headers;
        let length = length::<P>(&parts.headers, &body);
        let assessed = if length.unwrap_or(0) > self.site().max_object_bytes {
            Err(NotStorable::TooLarge)
        } else {
            assess(x, parts.status, &parts.headers, trip)
        };
        let mut status = Status {
            forward: Some(errand.reason),
            forward_status: Some(parts.status.as_u16()),
            ..Status::default()
        };
        let body = match (assessed, Selection::new(&parts.headers, request)) {
            (Ok(freshness), Some(selection)) => {
                status.stored = true;
                status.ttl = Some(freshness.ttl(trip.arrived));
                let meta = meta(x, &parts, freshness, trip, length);
                self.keep(&errand.place, meta, &selection, trip, body).await
            }
            (assessed, _) => {
                let why = assessed.err().unwrap_or(NotStorable::Vary);
                status.detail = Some(x.cache.bypass.as_deref().unwrap_or(why.token()));
                // What it takes the place of is history, unless it is only a failure or this
                // client's own wish.
                let replaces =
                    !parts.status.is_server_error() && why != NotStorable::RequestNoStore;
                if let Some(found) = errand.validate.as_ref().filter(|_| replaces) {
                    self.platform().remove(&found.at).await;
                }
                body
            }
        };
        if answer::to_client(&mut parts, request, &status, trip.arrived) {
            return (parts, P::Body::from(Bytes::new()));
        }
        (parts, body)
    }
}

pub(super) fn cut_off<B>(error: ProxyError, errand: &Errand<B>) -> ProxyError {
    let must = |found: &Found<B>| found.meta.freshness.must_revalidate;
    match errand.validate.as_ref().is_some_and(must) {
        true => error.cut_off(),
        false => error,
    }
}

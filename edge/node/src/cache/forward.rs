//! Going to the upstream for an answer, and what becomes of it: stored and given, a stored one made
//! fresh again, or a stored one given in its place.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use http::response::Parts;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body::Body as _;
use zephyr_cache::{
    Candidate, Head, NotStorable, Selection, Status, conditional, name, reuse, revalidate,
};

use super::flight::{PASS, PASS_FAILURE, Pilot};
use super::keep::Keep;
use super::key::Key;
use super::stored::Stored;
use super::tags::Names;
use super::{Cache, Fetch, Served, answer, fill};
use crate::body::Body;
use crate::error::{ProxyError, Source};
use crate::exchange::Exchange;

/// What a request is sent on for.
pub(super) struct Errand<'a> {
    pub(super) key: &'a Key,
    pub(super) flight: u64,
    /// Why, as `Cache-Status` says it.
    pub(super) reason: &'static str,
    /// A stored answer to ask about.
    pub(super) validate: Option<Arc<Stored>>,
    /// When others wait for this one.
    pub(super) pilot: Option<Pilot>,
}

/// When a trip was made.
#[derive(Clone, Copy)]
struct Trip {
    /// In ticks of purges.
    began: u64,
    asked: Duration,
    arrived: Duration,
}

impl Cache {
    /// One trip, and what becomes of its answer.
    pub(super) async fn forward(
        self: &Arc<Self>,
        x: &mut Exchange,
        fetch: &Rc<dyn Fetch>,
        mut errand: Errand<'_>,
    ) -> Served {
        let misses = &self.slot(errand.key.hash()).misses;
        misses.fetch_add(1, Relaxed);
        loop {
            let mut request = copy(x, Body::Empty);
            for name in &conditional::CONDITIONS {
                request.headers_mut().remove(name);
            }
            let asked_about = errand
                .validate
                .as_ref()
                .is_some_and(|stored| revalidate::ask(request.headers_mut(), &stored.head.headers));
            let (began, asked) = (self.tags.begin(), self.now());
            let result = fetch.fetch(x, request).await;
            let trip = Trip {
                began,
                asked,
                arrived: self.now(),
            };
            if let Some(answer) = self.in_place_of(x, &errand, &result, trip.arrived) {
                return Ok(answer);
            }
            let (parts, body) = result?.into_parts();
            if parts.status != StatusCode::NOT_MODIFIED {
                return Ok(self.take(x, errand, parts, body, trip).await);
            }
            match errand.validate.take() {
                Some(stored) if asked_about => {
                    if revalidate::is_about(&parts.headers, &stored.head.headers) {
                        return Ok(self.freshen(x, errand, &stored, &parts, trip));
                    }
                    // RFC 9111, section 4.3.4: it is about an answer that is not here. Once more,
                    // and for the whole.
                    self.drop_stored(errand.key, &x.request.headers);
                }
                _ => {
                    return Err(ProxyError::unasked_not_modified());
                }
            }
        }
    }

    /// A stale answer in the place of a failure (RFC 5861, section 4).
    fn in_place_of(
        &self,
        x: &Exchange,
        errand: &Errand<'_>,
        result: &Result<http::Response<Body>, ProxyError>,
        now: Duration,
    ) -> Option<(Parts, Body)> {
        let stored = errand.validate.as_ref()?;
        let failed = match result {
            Ok(response) => response.status().is_server_error(),
            Err(error) => error.source == Source::Upstream,
        };
        let may = failed
            && reuse::serves_errors(&stored.freshness, now)
            && self.tags.alive(&stored.names);
        if !may {
            return None;
        }
        stored.upstream_failed(now);
        let answered = result.as_ref().ok();
        let status = Status {
            forward: Some(errand.reason),
            forward_status: answered.map(|response| response.status().as_u16()),
            ttl: Some(stored.freshness.ttl(now)),
            detail: Some("stale-if-error"),
            ..Status::default()
        };
        let (method, request) = (&x.request.method, &x.request.headers);
        Some(answer::from_store(stored, method, request, now, &status))
    }

    /// A 304 makes the stored answer fresh again (RFC 9111, section 4.3.4).
    fn freshen(
        self: &Arc<Self>,
        x: &Exchange,
        errand: Errand<'_>,
        stored: &Arc<Stored>,
        parts: &Parts,
        trip: Trip,
    ) -> (Parts, Body) {
        let headers = revalidate::freshened(&stored.head, &parts.headers, trip.arrived);
        let status = stored.head.status;
        let assessed = assess(x, status, &headers, trip);
        let request = &x.request.headers;
        let (fresh, kept) = match (assessed, Selection::new(&headers, request)) {
            (Ok(freshness), Some(selection)) => {
                // A 304 need not repeat what the answer was tagged with.
                let names = self.names(x, &headers, trip.began).with(&stored.names);
                let keep = Keep {
                    cache: Arc::clone(self),
                    key: errand.key.clone(),
                    flight: errand.flight,
                    request: request.clone(),
                    head: Head::new(status, &headers),
                    freshness,
                    selection,
                    names,
                    pilot: errand.pilot,
                };
                (keep.store(stored.body.clone()), true)
            }
            // It may be given this once, because it was just asked about.
            _ => {
                self.drop_stored(errand.key, request);
                (Arc::clone(stored), false)
            }
        };
        let status = Status {
            forward: Some(errand.reason),
            forward_status: Some(StatusCode::NOT_MODIFIED.as_u16()),
            ttl: Some(fresh.freshness.ttl(trip.arrived)),
            stored: kept,
            ..Status::default()
        };
        answer::from_store(&fresh, &x.request.method, request, trip.arrived, &status)
    }

    /// A new answer goes to the client, and into the store if it may.
    async fn take(
        self: &Arc<Self>,
        x: &Exchange,
        errand: Errand<'_>,
        mut parts: Parts,
        body: Body,
        trip: Trip,
    ) -> (Parts, Body) {
        answer::set_date(&mut parts.headers, trip.arrived);
        let request = &x.request.headers;
        let assessed = if length(&parts.headers, &body) > self.largest as u64 {
            Err(NotStorable("too-large"))
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
                let keep = Keep {
                    cache: Arc::clone(self),
                    key: errand.key.clone(),
                    flight: errand.flight,
                    request: request.clone(),
                    head: Head::new(parts.status, &parts.headers),
                    freshness,
                    selection,
                    names: self.names(x, &parts.headers, trip.began),
                    pilot: errand.pilot,
                };
                fill::collect(body, keep).await
            }
            (assessed, _) => {
                let why = assessed.err().unwrap_or(NotStorable("vary"));
                status.detail = Some(x.cache.bypass.as_deref().unwrap_or(why.0));
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
        if why == NotStorable("request-no-store") {
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

    fn drop_stored(&self, key: &Key, request: &HeaderMap) {
        let mut shard = self.slot(key.hash()).shard.lock();
        shard.remove(key.as_ref(), request);
    }

    fn names(&self, x: &Exchange, headers: &HeaderMap, began: u64) -> Names {
        name::of_answer(&x.authority, &x.request.uri, &x.cache, headers, |names| {
            self.tags.names(began, names)
        })
    }
}

fn assess(
    x: &Exchange,
    status: StatusCode,
    headers: &HeaderMap,
    trip: Trip,
) -> Result<zephyr_cache::Freshness, NotStorable> {
    let candidate = Candidate {
        method: &Method::GET,
        request: &x.request.headers,
        status,
        response: headers,
        filters: &x.cache,
        asked: trip.asked,
        arrived: trip.arrived,
    };
    candidate.assess()
}

/// How long the body will be at least.
fn length(headers: &HeaderMap, body: &Body) -> u64 {
    let told = headers.get(header::CONTENT_LENGTH);
    let told = told.and_then(|told| told.to_str().ok()?.parse().ok());
    body.size_hint().lower().max(told.unwrap_or(0))
}

/// The request to send on.
pub(super) fn copy(x: &Exchange, body: Body) -> Request<Body> {
    let mut request = Request::new(body);
    *request.method_mut() = x.request.method.clone();
    *request.uri_mut() = x.request.uri.clone();
    *request.headers_mut() = x.request.headers.clone();
    request
}

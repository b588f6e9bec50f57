//! Going to the upstream for an answer, and what becomes of it: taken as a new one ([`super::take`]), a
//! stored one made fresh again, or a stored one given in its place.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::response::Parts;
use http::{HeaderMap, Method, Request, StatusCode, header};
use zephyr_cache::reuse::{self, Failure};
use zephyr_cache::{
    Candidate, Head, NotStorable, Selection, Status, conditional, name, revalidate, surrogate,
};

use super::flight::Pilot;
use super::keep::Keep;
use super::key::Key;
use super::lookup::Forward;
use super::rest::Rest;
use super::stored::Stored;
use super::tags::Names;
use super::{Cache, Fetch, Served, answer, content};
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
    /// A stored part that lacks something.
    pub(super) part: Option<Arc<Stored>>,
    /// Stored answers for other requests.
    pub(super) variants: Vec<Arc<Stored>>,
    /// When others wait for this one.
    pub(super) pilot: Option<Pilot>,
    /// No client waits for the answer.
    pub(super) for_nobody: bool,
}

impl<'a> Errand<'a> {
    pub(super) fn of(key: &'a Key, forward: Forward, pilot: Option<Pilot>) -> Self {
        Self {
            key,
            flight: forward.flight,
            reason: forward.reason,
            validate: forward.validate,
            part: forward.part,
            variants: forward.variants,
            pilot,
            for_nobody: false,
        }
    }

    /// An errand that nothing stored is of use for, and that nobody waits for.
    pub(super) fn as_asked(key: &'a Key, reason: &'static str) -> Self {
        Self {
            key,
            flight: key.hash(),
            reason,
            validate: None,
            part: None,
            variants: Vec::new(),
            pilot: None,
            for_nobody: false,
        }
    }
}

/// When a trip was made.
#[derive(Clone, Copy)]
pub(super) struct Trip {
    /// In ticks of purges.
    pub(super) began: u64,
    pub(super) asked: Duration,
    pub(super) arrived: Duration,
}

/// What the upstream is asked.
enum Question {
    /// Whether a stored answer is still right; false when there is nothing to ask that by.
    Validate(bool),
    /// For what is behind a stored part.
    Rest(Rest),
    /// Which of the stored variants is the right one.
    Variants,
    /// What the client asks, with its own conditions and range.
    Own,
}

impl Cache {
    /// One trip, and what becomes of its answer.
    pub(super) async fn forward(
        self: &Arc<Self>,
        x: &mut Exchange,
        fetch: &Rc<dyn Fetch>,
        errand: Errand<'_>,
    ) -> Served {
        self.count_miss(errand.key.hash());
        let reason = errand.reason;
        let served = self.ask(x, fetch, errand).await;
        served.map_err(|error| error.forwarded(reason, None))
    }

    async fn ask(
        self: &Arc<Self>,
        x: &mut Exchange,
        fetch: &Rc<dyn Fetch>,
        mut errand: Errand<'_>,
    ) -> Served {
        loop {
            let mut request = copy(x, Body::Empty);
            let question = self.question(x, &errand, request.headers_mut());
            let sent = match &question {
                Question::Rest(_) => request.headers().clone(),
                _ => HeaderMap::new(),
            };
            let (began, asked) = (self.tags.begin(), self.now());
            let result = fetch.fetch(x, request).await;
            let trip = Trip {
                began,
                asked,
                arrived: self.now(),
            };
            if let Some(answer) = self.in_place_of(x, &errand, &result, trip.arrived, fetch) {
                return Ok(answer);
            }
            let (parts, body) = result
                .map_err(|error| cut_off(error, &errand))?
                .into_parts();
            match (question, parts.status) {
                (Question::Rest(rest), StatusCode::PARTIAL_CONTENT) => {
                    if let Some(joined) = rest.joined(&sent, &parts) {
                        let answer = (parts, body);
                        return Ok(rest.complete(self, x, errand, joined, answer, trip).await);
                    }
                    // It cannot be put behind what is stored: as the client asked, then.
                    errand.part = None;
                }
                (
                    Question::Rest(_),
                    StatusCode::NOT_MODIFIED | StatusCode::RANGE_NOT_SATISFIABLE,
                ) => errand.part = None,
                (Question::Validate(true), StatusCode::NOT_MODIFIED) => {
                    let Some(stored) = errand.validate.take() else {
                        return Err(ProxyError::unasked_not_modified());
                    };
                    if revalidate::is_about(&parts.headers, &stored.head.headers) {
                        let (key, reason, for_nobody) =
                            (errand.key, errand.reason, errand.for_nobody);
                        let answer = self.freshen(x, errand, &stored, &parts, trip, fetch);
                        let (parts, body) = answer;
                        if stored.slices().is_none() || for_nobody {
                            return Ok((parts, body));
                        }
                        if let Ok(body) = content::primed(body).await {
                            return Ok((parts, body));
                        }
                        // It cannot be put together: as the client asked, then.
                        errand = Errand::as_asked(key, reason);
                        continue;
                    }
                    // RFC 9111, section 4.3.4: it is about an answer that is not here. Once more,
                    // and for the whole.
                    self.drop_stored(errand.key, &x.request.headers);
                }
                (Question::Variants, StatusCode::NOT_MODIFIED) => {
                    if let Some(stored) = named(&errand.variants, &parts.headers) {
                        return Ok(self.freshen(x, errand, &stored, &parts, trip, fetch));
                    }
                    errand.variants.clear();
                }
                (Question::Own, StatusCode::NOT_MODIFIED)
                    if conditional::is_conditional(&x.request.headers) =>
                {
                    return Ok(pass_on(errand, parts));
                }
                (_, StatusCode::NOT_MODIFIED) => return Err(ProxyError::unasked_not_modified()),
                _ => return Ok(self.take(x, errand, parts, body, trip).await),
            }
        }
    }

    /// Turns the client's request into what the upstream is asked.
    fn question(&self, x: &Exchange, errand: &Errand<'_>, request: &mut HeaderMap) -> Question {
        let own = &x.request.headers;
        if let Some(stored) = &errand.validate {
            strip_conditions(request, stored.part.is_some() || stored.slices().is_some());
            return Question::Validate(revalidate::ask(request, &stored.head.headers));
        }
        let part = errand.part.as_ref();
        let conditional = conditional::is_conditional(own);
        let rest = part.filter(|_| !conditional);
        if let Some(rest) = rest.and_then(|stored| self.rest_of(stored, own)) {
            strip_conditions(request, false);
            rest.ask(request);
            return Question::Rest(rest);
        }
        let plain = !conditional && !own.contains_key(header::RANGE);
        let whole = errand.variants.iter().filter(|stored| can_be_named(stored));
        let heads = whole.map(|stored| &stored.head.headers);
        if plain && revalidate::ask_about(request, heads) {
            return Question::Variants;
        }
        Question::Own
    }

    /// A stale answer in the place of a failure (RFC 5861, section 4; RFC 9111, section 4.2.4).
    pub(super) fn in_place_of(
        self: &Arc<Self>,
        x: &Exchange,
        errand: &Errand<'_>,
        result: &Result<http::Response<Body>, ProxyError>,
        now: Duration,
        fetch: &Rc<dyn Fetch>,
    ) -> Option<(Parts, Body)> {
        let stored = errand.validate.as_ref()?;
        let failure = match result {
            Ok(response) => Failure::of(response.status()),
            Err(error) => (error.source == Source::Upstream).then_some(Failure::Unreachable),
        };
        let serves = |failure| reuse::serves_errors(&stored.freshness, now, failure);
        let may = failure.is_some_and(serves)
            && self.tags.alive(&stored.names)
            && self.has_all_of(errand.key, x, stored);
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
        Some(self.answer_from(errand.key, x, stored, now, &status, fetch))
    }

    /// A 304 makes the stored answer fresh again (RFC 9111, section 4.3.4).
    pub(super) fn freshen(
        self: &Arc<Self>,
        x: &Exchange,
        errand: Errand<'_>,
        stored: &Arc<Stored>,
        parts: &Parts,
        trip: Trip,
        fetch: &Rc<dyn Fetch>,
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
                    part: stored.part,
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
            forward_status: Some(parts.status.as_u16()),
            ttl: Some(fresh.freshness.ttl(trip.arrived)),
            stored: kept,
            ..Status::default()
        };
        let (mut given, body) =
            self.answer_from(errand.key, x, &fresh, trip.arrived, &status, fetch);
        revalidate::hand_on(&mut given.headers, &headers, &parts.headers);
        (given, body)
    }

    pub(super) fn drop_stored(&self, key: &Key, request: &HeaderMap) {
        let mut shard = self.slot(key.hash()).shard.lock();
        shard.remove(key.as_ref(), request);
        drop(shard);
        self.drop_on_disk(key);
    }

    pub(super) fn names(&self, x: &Exchange, headers: &HeaderMap, began: u64) -> Names {
        name::of_answer(&x.authority, &x.request.uri, &x.cache, headers, |names| {
            self.tags.names(began, names)
        })
    }
}

/// A 304 to the client's own conditions, when nothing is stored.
fn pass_on(errand: Errand<'_>, mut parts: Parts) -> (Parts, Body) {
    let status = Status {
        forward: Some(errand.reason),
        forward_status: Some(parts.status.as_u16()),
        ..Status::default()
    };
    // It is of no use to those who wait.
    if let Some(pilot) = errand.pilot {
        pilot.land_alone();
    }
    answer::strip(&mut parts.headers);
    answer::tell(&mut parts.headers, &status);
    (parts, Body::Empty)
}

/// What an answer that has to be asked about is answered with when nobody can be asked (RFC 9111,
/// section 5.2.2.2).
fn cut_off(mut error: ProxyError, errand: &Errand<'_>) -> ProxyError {
    let must = errand.validate.as_ref();
    if error.source == Source::Upstream
        && error.status == StatusCode::BAD_GATEWAY
        && must.is_some_and(|stored| stored.freshness.must_revalidate)
    {
        error.status = StatusCode::GATEWAY_TIMEOUT;
    }
    error
}

/// Takes off the client's conditions, which the cache answers itself.
fn strip_conditions(request: &mut HeaderMap, keep_range: bool) {
    for name in &conditional::CONDITIONS {
        // A range is of the version that the client names beside it, or of none.
        let is_range = *name == header::RANGE || *name == header::IF_RANGE;
        if !(keep_range && is_range) {
            request.remove(name);
        }
    }
}

/// Whether a tag means this variant and no other. A weak one may be that of several (RFC 9110, section
/// 8.8.1): who compresses on the way gives all codings the same.
fn can_be_named(stored: &Stored) -> bool {
    let tag = stored.head.headers.get(header::ETAG);
    stored.part.is_none() && tag.is_some_and(revalidate::is_strong)
}

/// The variant that a 304 is about: the one with its tag, or the only one that was asked about (RFC
/// 9111, section 4.3.4).
fn named(variants: &[Arc<Stored>], not_modified: &HeaderMap) -> Option<Arc<Stored>> {
    let mut asked = variants.iter().filter(|stored| can_be_named(stored));
    if !not_modified.contains_key(header::ETAG) {
        let only = asked.next()?;
        return asked.next().is_none().then(|| Arc::clone(only));
    }
    let about = |stored: &&Arc<Stored>| revalidate::is_about(not_modified, &stored.head.headers);
    asked.find(about).map(Arc::clone)
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
) -> Result<zephyr_cache::Freshness, NotStorable> {
    candidate(x, status, headers, trip).assess()
}

/// The request to send on.
pub(super) fn copy(x: &Exchange, body: Body) -> Request<Body> {
    let mut request = Request::new(body);
    *request.method_mut() = x.request.method.clone();
    *request.uri_mut() = x.request.uri.clone();
    *request.headers_mut() = x.request.headers.clone();
    surrogate::announce(request.headers_mut());
    request
}

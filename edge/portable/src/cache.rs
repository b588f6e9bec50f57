//! The shared cache over a host's store: the decisions are `zephyr-cache`'s, as on the node.
//!
//! What differs from the node's own store, because of what these hosts can do:
//!
//! * An answer lies under the hash of its key. One that depends on request fields (`Vary`) lies under
//!   the hash of the key and of those fields' values; under the key itself lie the fields' names.
//! * Requests for the same thing do not wait for each other: no such host lets one request wait for
//!   another one's I/O.
//! * A purge marks names with a version ([`Marks`]); an answer remembers the version at which its
//!   fetch began, and is gone when one of its names was marked since.

mod marks;
mod record;

use std::rc::Rc;
use std::time::Duration;

use http::response::Parts;
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use sha2::{Digest as _, Sha256};
use zephyr_cache::answer::{self, Part};
use zephyr_cache::reuse::Failure;
use zephyr_cache::{
    Candidate, Freshness, Head, Look, NotStorable, RequestDirectives, Selection, Status, Way,
    conditional, key, name, reuse, revalidate, way,
};
use zephyr_edge_pipeline::stages::Answer;
use zephyr_edge_pipeline::{Exchange, ProxyError, Source};

pub use marks::{Dropped, Marks};
pub use record::{Meta, Record};

use crate::edge::Edge;
use crate::platform::{HostBody, Platform};

/// An answer with a validator is kept this long past its lifetime: asking about it is cheaper than
/// fetching it again.
const WORTH_ASKING: u64 = 24 * 60 * 60;
/// The longest time that an answer is kept.
const LONGEST: u64 = 30 * 24 * 60 * 60;

type Served<P> = Result<Answer<<P as Platform>::Body>, ProxyError>;

/// A stored answer that was found.
struct Found<B> {
    /// Where it lies.
    at: String,
    meta: Box<Meta>,
    body: B,
}

/// What is sent on for.
struct Errand<B> {
    /// Where the answer to the plain key lies.
    base: String,
    key: Vec<u8>,
    /// Why, as `Cache-Status` says it.
    reason: &'static str,
    /// A stored answer to ask about.
    validate: Option<Found<B>>,
}

/// When a trip was made.
#[derive(Clone, Copy)]
struct Trip {
    /// The version of the marks when it began.
    began: u64,
    asked: Duration,
    arrived: Duration,
}

impl<P: Platform> Edge<P> {
    /// Answers a request from the store or from the route's target.
    pub(crate) async fn serve(&self, route: usize, x: &mut Exchange, body: P::Body) -> Served<P> {
        let request = &x.request;
        match way::of(
            &request.method,
            &request.headers,
            &x.cache,
            !body.is_empty(),
        ) {
            Way::Look => {}
            Way::Pass { reason, detail } => {
                return self.pass(route, x, body, reason, detail.as_deref()).await;
            }
            Way::Write { reason, detail } => {
                return self.write(route, x, body, reason, detail.as_deref()).await;
            }
        }
        let directives = RequestDirectives::of(&x.request.headers);
        let key = key_of(x);
        let base = place(&key);
        let marks = self.platform().marks().await;
        let (reason, validate) = match self.find(&base, &key, &x.request.headers, &marks).await {
            Err(reason) => (reason, None),
            Ok(found) => {
                let now = self.platform().now();
                let backs_off = self.backs_off(&found.at, now);
                match reuse::look(&found.meta.freshness, &directives, now, backs_off) {
                    Look::Give { refresh, detail } => {
                        let status = Status {
                            hit: true,
                            ttl: Some(found.meta.freshness.ttl(now)),
                            detail,
                            ..Status::default()
                        };
                        if refresh {
                            self.refresh(route, x, &base, &key, &found.at);
                        }
                        return give::<P>(x, found, now, &status).await;
                    }
                    Look::Validate(reason) => (reason, Some(found)),
                }
            }
        };
        if directives.only_if_cached {
            return Err(ProxyError::not_stored());
        }
        // With `no-store`, what comes changes nothing that is stored (RFC 9111, section 5.2.1.5).
        let validate = validate.filter(|_| !directives.no_store);
        // A part is fetched as a part: the whole may be far larger, and is not asked for.
        let partial = validate.is_none() && x.request.headers.contains_key(header::RANGE);
        if partial || x.request.method == Method::HEAD {
            return self
                .pass(route, x, P::Body::from(bytes::Bytes::new()), reason, None)
                .await;
        }
        let errand = Errand {
            base,
            key,
            reason,
            validate,
        };
        self.forward(route, x, errand, &marks).await
    }

    /// The stored answer for a request, or why there is none.
    async fn find(
        &self,
        base: &str,
        key: &[u8],
        request: &HeaderMap,
        marks: &Marks,
    ) -> Result<Found<P::Body>, &'static str> {
        let nothing = "uri-miss";
        let (at, record, body, reason) = match self.platform().load(base).await {
            None => return Err(nothing),
            Some((Record::Vary(names), _)) => {
                let at = variant(key, &selection(&names, request));
                let other = "vary-miss";
                let (record, body) = self.platform().load(&at).await.ok_or(other)?;
                (at, record, body, other)
            }
            Some((record, body)) => (base.to_owned(), record, body, nothing),
        };
        match record {
            Record::Answer(meta) if marks.alive(&meta.names, meta.began) => {
                Ok(Found { at, meta, body })
            }
            _ => Err(reason),
        }
    }

    /// A request that the cache has nothing to do with.
    async fn pass(
        &self,
        route: usize,
        x: &mut Exchange,
        body: P::Body,
        reason: &'static str,
        detail: Option<&str>,
    ) -> Served<P> {
        let headers = x.request.headers.clone();
        let (mut parts, body) = self.trip(route, x, headers, body).await?;
        let status = Status {
            forward: Some(reason),
            forward_status: Some(parts.status.as_u16()),
            detail,
            ..Status::default()
        };
        answer::strip(&mut parts.headers);
        answer::tell(&mut parts.headers, &status);
        Ok((parts, body))
    }

    /// A request with an unsafe method: what it makes stale is dropped before its answer is given, so
    /// that whoever wrote reads the new state.
    async fn write(
        &self,
        route: usize,
        x: &mut Exchange,
        body: P::Body,
        reason: &'static str,
        detail: Option<&str>,
    ) -> Served<P> {
        let uri = x.request.uri.clone();
        let (parts, body) = self.pass(route, x, body, reason, detail).await?;
        let mut names = Vec::new();
        let (status, headers) = (parts.status, &parts.headers);
        name::of_write(
            x.scheme,
            &x.authority,
            &uri,
            &x.cache,
            status,
            headers,
            |name| {
                names.push(Marks::mark_of(&name));
            },
        );
        if !names.is_empty() {
            self.platform().purge(Dropped::Names(names)).await;
        }
        Ok((parts, body))
    }

    /// Refreshes a stored answer behind the client's back, unless somebody does already.
    fn refresh(&self, route: usize, x: &Exchange, base: &str, key: &[u8], at: &str) {
        if !self.begin_refresh(at) {
            return;
        }
        let (edge, mut x) = (self.clone(), x.fork());
        let (base, key, at) = (base.to_owned(), key.to_vec(), at.to_owned());
        self.platform().detach(Box::pin(async move {
            let marks = edge.platform().marks().await;
            let found = edge.find(&base, &key, &x.request.headers, &marks).await;
            let errand = Errand {
                base,
                key,
                reason: "stale",
                validate: found.ok(),
            };
            if let Err(error) = edge.forward(route, &mut x, errand, &marks).await {
                let id = &*x.id;
                tracing::warn!(request.id = id, %error, "a stale answer could not be refreshed: {error}");
            }
            edge.end_refresh(&at);
        }));
    }

    /// One trip, and what becomes of its answer.
    async fn forward(
        &self,
        route: usize,
        x: &mut Exchange,
        mut errand: Errand<P::Body>,
        marks: &Rc<Marks>,
    ) -> Served<P> {
        loop {
            let mut headers = x.request.headers.clone();
            let validate = errand.validate.as_ref();
            // With nothing stored, the client's own conditions are for the upstream.
            let own = validate.is_none() && conditional::is_conditional(&headers);
            if !own {
                for name in &conditional::CONDITIONS {
                    headers.remove(name);
                }
            }
            let asked_about = validate
                .is_some_and(|found| revalidate::ask(&mut headers, &found.meta.head.headers));
            let asked = self.platform().now();
            let nothing = P::Body::from(bytes::Bytes::new());
            let result = self.trip(route, x, headers, nothing).await;
            let trip = Trip {
                began: marks.version(),
                asked,
                arrived: self.platform().now(),
            };
            if let Some(found) = errand.validate.take_if(|found| {
                failure::<P>(&result).is_some_and(|failure| {
                    reuse::serves_errors(&found.meta.freshness, trip.arrived, failure)
                })
            }) {
                return self
                    .in_place_of(x, found, errand.reason, &result, trip.arrived)
                    .await;
            }
            let (mut parts, body) = result?;
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

    /// A stale answer in the place of a failure (RFC 5861, section 4).
    async fn in_place_of(
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
        give::<P>(x, found, now, &status).await
    }

    /// A 304 makes the stored answer fresh again (RFC 9111, section 4.3.4).
    async fn freshen(
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
                    freshness,
                    names,
                    began: trip.began,
                    length: found.meta.length,
                });
                found.meta = meta.clone();
                found.body = self.keep(&errand, meta, &selection, trip, found.body).await;
                kept = true;
            }
            // It may be given this once, because it was just asked about.
            _ => self.platform().remove(&found.at).await,
        }
        let status = Status {
            forward: Some(errand.reason),
            forward_status: Some(StatusCode::NOT_MODIFIED.as_u16()),
            ttl: Some(found.meta.freshness.ttl(trip.arrived)),
            stored: kept,
            ..Status::default()
        };
        let (mut given, body) = give::<P>(x, found, trip.arrived, &status).await?;
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
        let told = parts.headers.get(header::CONTENT_LENGTH);
        let told: Option<u64> = told.and_then(|told| told.to_str().ok()?.parse().ok());
        let length = body.length().or(told);
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
                let meta = Box::new(Meta {
                    head: Head::new(parts.status, &parts.headers),
                    freshness,
                    names: names_of(x, &parts.headers),
                    began: trip.began,
                    length,
                });
                self.keep(&errand, meta, &selection, trip, body).await
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
            return (parts, P::Body::from(bytes::Bytes::new()));
        }
        (parts, body)
    }

    async fn keep(
        &self,
        errand: &Errand<P::Body>,
        meta: Box<Meta>,
        selection: &Selection,
        trip: Trip,
        body: P::Body,
    ) -> P::Body {
        let retention = retention(&meta, trip.arrived);
        let record = Record::Answer(meta);
        if selection.is_empty() {
            return self
                .platform()
                .save(&errand.base, record, retention, body)
                .await;
        }
        let names = selection.names().map(|name| name.as_str().to_owned());
        let index = Record::Vary(names.collect());
        let nothing = P::Body::from(bytes::Bytes::new());
        let longest = Duration::from_secs(LONGEST);
        self.platform()
            .save(&errand.base, index, longest, nothing)
            .await;
        let at = variant(&errand.key, selection);
        self.platform().save(&at, record, retention, body).await
    }
}

/// Answers a request with a stored answer.
async fn give<P: Platform>(
    x: &Exchange,
    found: Found<P::Body>,
    now: Duration,
    status: &Status<'_>,
) -> Served<P> {
    let (method, request) = (&x.request.method, &x.request.headers);
    let Found { meta, mut body, .. } = found;
    let mut length = meta.length.or(body.length());
    if length.is_none() {
        let bytes = read::<P>(body).await?;
        length = Some(bytes.len() as u64);
        body = bytes.into();
    }
    let length = length.unwrap_or_default();
    let head = &meta.head;
    let (parts, part) = answer::from_store(
        head,
        None,
        length,
        &meta.freshness,
        method,
        request,
        now,
        status,
    );
    let body = match part {
        Part::Whole => body,
        Part::Nothing => P::Body::from(bytes::Bytes::new()),
        Part::Range(first, last) => {
            let bytes = read::<P>(body).await?;
            let end = bytes
                .len()
                .min(usize::try_from(last + 1).unwrap_or(usize::MAX));
            let start = usize::try_from(first).unwrap_or(usize::MAX).min(end);
            P::Body::from(bytes.slice(start..end))
        }
    };
    Ok((parts, body))
}

async fn read<P: Platform>(body: P::Body) -> Result<bytes::Bytes, ProxyError> {
    body.collect(usize::MAX).await.map_err(|error| {
        let detail = "The stored answer could not be read.";
        ProxyError::new(Source::Edge, StatusCode::BAD_GATEWAY, detail).with_cause(error)
    })
}

fn failure<P: Platform>(result: &Served<P>) -> Option<Failure> {
    match result {
        Ok((parts, _)) => Failure::of(parts.status),
        Err(error) => (error.source == Source::Upstream).then_some(Failure::Unreachable),
    }
}

fn assess(
    x: &Exchange,
    status: StatusCode,
    headers: &HeaderMap,
    trip: Trip,
) -> Result<Freshness, NotStorable> {
    let candidate = Candidate {
        method: &Method::GET,
        request: &x.request.headers,
        status,
        response: headers,
        filters: &x.cache,
        asked: trip.asked,
        arrived: trip.arrived,
    };
    if status == StatusCode::PARTIAL_CONTENT {
        // These hosts' stores hold whole answers.
        return Err(NotStorable::Status);
    }
    candidate.assess()
}

fn names_of(x: &Exchange, headers: &HeaderMap) -> Vec<String> {
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

fn key_of(x: &Exchange) -> Vec<u8> {
    let mut key = Vec::with_capacity(128);
    let uri = &x.request.uri;
    key::append(
        &mut key,
        x.scheme,
        &x.authority,
        uri.path(),
        uri.query(),
        &x.cache,
    );
    key
}

fn selection(names: &[String], request: &HeaderMap) -> Selection {
    let names: Vec<HeaderName> = names.iter().filter_map(|name| name.parse().ok()).collect();
    Selection::by(&names, request)
}

/// Where an answer lies that depends on request fields.
fn variant(key: &[u8], selection: &Selection) -> String {
    let mut key = key.to_vec();
    // No key holds this: what stands behind its zero bytes is a kind and a length.
    key.extend_from_slice(b"\0vary\0");
    selection.append_key(&mut key);
    place(&key)
}

/// A key's hash in hexadecimal digits.
fn place(key: &[u8]) -> String {
    marks::hex(&Sha256::digest(key))
}

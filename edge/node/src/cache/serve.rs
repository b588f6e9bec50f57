//! The way of a request through the cache.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body::Body as _;
use zephyr_cache::reuse::{self, RequestDirectives, Reuse};
use zephyr_cache::status::Status;
use zephyr_cache::vary::Selection;
use zephyr_cache::{Freshness, conditional, groups, invalidate, storable};

use super::collect::Collect;
use super::flight::{Boarding, Pilot};
use super::key::Key;
use super::shard::Found;
use super::stored::Stored;
use super::{Cache, Fetch, answer, now, purge};
use crate::body::Body;
use crate::error::{ProxyError, Source};
use crate::exchange::Exchange;

/// For how long nobody waits for an answer to a key whose last one could not be stored.
const PASS: Duration = Duration::from_secs(10);

/// An answer, or why there is none.
type Served = Result<(Parts, Body), ProxyError>;

/// What an answer on its way is stored with, once its body is whole.
pub(super) struct Keep {
    cache: Arc<Cache>,
    key: Key,
    request: HeaderMap,
    status: StatusCode,
    headers: HeaderMap,
    freshness: Freshness,
    names: super::tags::Names,
    /// Those that wait look again once this is gone.
    _pilot: Option<Pilot>,
}

impl Keep {
    pub(super) fn store(self, body: Bytes) -> Arc<Stored> {
        let selection = Selection::new(&self.headers, &self.request);
        let stored = Arc::new(Stored::new(
            self.status,
            self.headers,
            body,
            self.freshness,
            selection,
            self.names,
        ));
        self.cache
            .shard(&self.key)
            .lock()
            .insert(&self.key, Arc::clone(&stored), &self.request);
        stored
    }
}

/// What to do about a look-up.
enum Look {
    /// Give this, with this status; refresh it behind the client's back if so.
    Give {
        stored: Arc<Stored>,
        ttl: i64,
        refresh: bool,
        detail: Option<&'static str>,
    },
    /// Ask about this.
    Validate(Arc<Stored>, &'static str),
    /// Fetch.
    Miss(&'static str),
}

impl Cache {
    /// Answers a request from the store or through `fetch`.
    ///
    /// # Errors
    ///
    /// What the upstream's trip says, when no stored answer may take its place.
    pub async fn serve(
        self: &Arc<Self>,
        x: &mut Exchange,
        body: Body,
        fetch: &Rc<dyn Fetch>,
    ) -> Served {
        let method = &x.request.method;
        if invalidate::is_unsafe(method) {
            return self.pass_write(x, body, fetch).await;
        }
        let may = matches!(*method, Method::GET | Method::HEAD) && body.is_end_stream();
        if let Some(reason) = x.cache.bypass.clone() {
            return self.pass(x, body, fetch, "bypass", Some(&reason)).await;
        }
        if !may {
            return self.pass(x, body, fetch, "method", None).await;
        }
        let key = Key::of(x, &self.hasher);
        let directives = RequestDirectives::of(&x.request.headers);
        let mut collapsed = false;
        let mut gave_up = Instant::now();
        if !directives.no_cache {
            gave_up += self.config.collapse_timeout;
        }
        loop {
            let (validate, forward) = match self.look(&key, x, &directives) {
                Look::Give {
                    stored,
                    ttl,
                    refresh,
                    detail,
                } => {
                    if refresh {
                        self.refresh(&key, x, &stored, fetch);
                    }
                    self.hits.fetch_add(1, Relaxed);
                    let status = Status {
                        hit: true,
                        ttl: Some(ttl),
                        collapsed,
                        detail,
                        ..Status::default()
                    };
                    let (method, request) = (&x.request.method, &x.request.headers);
                    return Ok(answer::from_store(&stored, method, request, now(), &status));
                }
                Look::Validate(stored, forward) => (Some(stored), forward),
                Look::Miss(forward) => (None, forward),
            };
            if directives.only_if_cached {
                // RFC 9111, section 5.2.1.7.
                let detail = "There is no stored answer, and only a stored one was asked for.";
                return Err(ProxyError::new(
                    Source::Client,
                    StatusCode::GATEWAY_TIMEOUT,
                    detail,
                ));
            }
            // A part is fetched as a part: the whole may be far larger, and is not asked for.
            let partial = validate.is_none() && x.request.headers.contains_key(header::RANGE);
            if partial || x.request.method == Method::HEAD {
                return self.pass(x, body, fetch, forward, None).await;
            }
            let pilot = match self.board(&key) {
                Boarding::Fly(pilot) => {
                    // Between the look and the boarding another may have landed.
                    if validate.is_none()
                        && matches!(self.look(&key, x, &directives), Look::Give { .. })
                    {
                        continue;
                    }
                    Some(pilot)
                }
                Boarding::Alone => None,
                Boarding::Wait(mut landed) => {
                    let left = gave_up.saturating_duration_since(Instant::now());
                    let waited =
                        tokio::time::timeout(left, landed.wait_for(|landed| *landed)).await;
                    if waited.is_ok() {
                        collapsed = true;
                        continue;
                    }
                    None
                }
            };
            self.misses.fetch_add(1, Relaxed);
            return self.fetch(&key, x, fetch, validate, forward, pilot).await;
        }
    }

    fn look(&self, key: &Key, x: &Exchange, directives: &RequestDirectives) -> Look {
        let alive = |stored: &Stored| self.tags.alive(&stored.names);
        let found = self.shard(key).lock().find(key, &x.request.headers, alive);
        let stored = match found {
            Found::Hit(stored) => stored,
            Found::OtherVariants => return Look::Miss("vary-miss"),
            Found::Nothing => return Look::Miss("uri-miss"),
        };
        let now = now();
        let ttl = stored.freshness.ttl(now);
        let (refresh, detail) = match reuse::decide(&stored.freshness, directives, now) {
            Reuse::Fresh => (false, None),
            Reuse::StaleAsked => (false, Some("max-stale")),
            Reuse::StaleWhileRevalidate => (true, Some("stale-while-revalidate")),
            Reuse::Validate(forward) => return Look::Validate(stored, forward),
        };
        Look::Give {
            stored,
            ttl,
            refresh,
            detail,
        }
    }

    /// One trip, and what becomes of its answer.
    pub(super) async fn fetch(
        self: &Arc<Self>,
        key: &Key,
        x: &mut Exchange,
        fetch: &Rc<dyn Fetch>,
        validate: Option<Arc<Stored>>,
        forward: &'static str,
        pilot: Option<Pilot>,
    ) -> Served {
        let mut request = copy(x, Body::Empty);
        for name in &conditional::CONDITIONS {
            request.headers_mut().remove(name);
        }
        if let Some(stored) = &validate {
            zephyr_cache::revalidate::ask(request.headers_mut(), &stored.headers);
        }
        let began = self.tags.begin();
        let asked = now();
        let result = fetch.fetch(x, request).await;
        let arrived = now();
        if let Some(stored) = &validate {
            let failed = match &result {
                Ok(response) => response.status().is_server_error(),
                Err(error) => error.source == Source::Upstream,
            };
            let may = failed
                && reuse::serves_errors(&stored.freshness, arrived)
                && self.tags.alive(&stored.names);
            if may {
                let status = Status {
                    hit: true,
                    forward: Some(forward),
                    forward_status: result
                        .as_ref()
                        .ok()
                        .map(|response| response.status().as_u16()),
                    ttl: Some(stored.freshness.ttl(arrived)),
                    detail: Some("stale-if-error"),
                    ..Status::default()
                };
                let (method, request) = (&x.request.method, &x.request.headers);
                return Ok(answer::from_store(
                    stored, method, request, arrived, &status,
                ));
            }
        }
        let (parts, body) = result?.into_parts();
        if let Some(stored) = &validate
            && parts.status == StatusCode::NOT_MODIFIED
        {
            return self.freshen(
                key,
                x,
                stored,
                &parts,
                [asked, arrived],
                began,
                forward,
                pilot,
            );
        }
        self.keep(key, x, parts, body, [asked, arrived], began, forward, pilot)
    }

    /// A 304 makes the stored answer fresh again (RFC 9111, section 4.3.4).
    #[expect(
        clippy::too_many_arguments,
        reason = "one step of `fetch`, split off for reading"
    )]
    fn freshen(
        self: &Arc<Self>,
        key: &Key,
        x: &mut Exchange,
        stored: &Arc<Stored>,
        parts: &Parts,
        [asked, arrived]: [Duration; 2],
        began: u64,
        forward: &'static str,
        pilot: Option<Pilot>,
    ) -> Served {
        let mut headers = stored.headers.clone();
        if zephyr_cache::revalidate::is_about(&parts.headers, &stored.headers) {
            zephyr_cache::revalidate::update(&mut headers, &parts.headers);
        }
        let assessed = storable::assess(
            &Method::GET,
            &x.request.headers,
            stored.status,
            &headers,
            &x.cache,
            asked,
            arrived,
        );
        let mut keys = groups::of(&headers);
        keys.append(&mut groups::of(&parts.headers));
        answer::strip(&mut headers);
        let request = x.request.headers.clone();
        let fresh = match assessed {
            Ok(freshness) => {
                let names = self.names(x, keys, began, Some(stored));
                let keep = Keep {
                    cache: Arc::clone(self),
                    key: key.clone(),
                    request,
                    status: stored.status,
                    headers,
                    freshness,
                    names,
                    _pilot: pilot,
                };
                keep.store(stored.body.clone())
            }
            // It may be given this once, because it was just asked about.
            Err(_) => Arc::clone(stored),
        };
        let status = Status {
            hit: true,
            forward: Some(forward),
            forward_status: Some(304),
            ttl: Some(fresh.freshness.ttl(arrived)),
            ..Status::default()
        };
        let (method, request) = (&x.request.method, &x.request.headers);
        Ok(answer::from_store(
            &fresh, method, request, arrived, &status,
        ))
    }

    /// A new answer goes to the client, and into the store if it may.
    #[expect(
        clippy::too_many_arguments,
        reason = "one step of `fetch`, split off for reading"
    )]
    fn keep(
        self: &Arc<Self>,
        key: &Key,
        x: &mut Exchange,
        mut parts: Parts,
        body: Body,
        [asked, arrived]: [Duration; 2],
        began: u64,
        forward: &'static str,
        pilot: Option<Pilot>,
    ) -> Served {
        let assessed = match &x.cache.bypass {
            Some(_) => Err(storable::NotStorable("bypass")),
            None if length(&parts, &body) > self.config.max_object_bytes => {
                Err(storable::NotStorable("too-large"))
            }
            None => storable::assess(
                &x.request.method,
                &x.request.headers,
                parts.status,
                &parts.headers,
                &x.cache,
                asked,
                arrived,
            ),
        };
        let mut status = Status {
            forward: Some(forward),
            forward_status: Some(parts.status.as_u16()),
            ..Status::default()
        };
        let freshness = match assessed {
            Ok(freshness) => freshness,
            Err(reason) => {
                self.shard(key).lock().pass(key, Instant::now() + PASS);
                drop(pilot);
                answer::strip(&mut parts.headers);
                status.detail = Some(x.cache.bypass.as_deref().unwrap_or(reason.0));
                answer::tell(&mut parts.headers, &status);
                return Ok((parts, body));
            }
        };
        let keys = groups::of(&parts.headers);
        let names = self.names(x, keys, began, None);
        answer::strip(&mut parts.headers);
        let mut headers = parts.headers.clone();
        headers.remove(header::AGE);
        let keep = Keep {
            cache: Arc::clone(self),
            key: key.clone(),
            request: x.request.headers.clone(),
            status: parts.status,
            headers,
            freshness,
            names,
            _pilot: pilot,
        };
        status.stored = true;
        status.ttl = Some(freshness.ttl(arrived));
        if body.is_end_stream() {
            keep.store(Bytes::new());
            answer::tell(&mut parts.headers, &status);
            return Ok((parts, body));
        }
        let limit = usize::try_from(self.config.max_object_bytes).unwrap_or(usize::MAX);
        let promised = promised(&parts);
        let collect = Collect::new(body, keep, limit, promised);
        let seconds = i64::try_from(arrived.as_secs()).unwrap_or(i64::MAX);
        if parts.status == StatusCode::OK
            && conditional::not_modified(&x.request.headers, &parts.headers, seconds)
        {
            // The client needs no body; the store does.
            super::refresh::drain(Body::stream(collect));
            parts.status = StatusCode::NOT_MODIFIED;
            for name in &conditional::NOT_MODIFIED_OMITS {
                parts.headers.remove(name);
            }
            answer::tell(&mut parts.headers, &status);
            return Ok((parts, Body::Empty));
        }
        answer::tell(&mut parts.headers, &status);
        Ok((parts, Body::stream(collect)))
    }

    /// All names of an answer: those it has, those filters gave it, and its URL.
    fn names(
        &self,
        x: &Exchange,
        mut keys: Vec<String>,
        began: u64,
        known: Option<&Stored>,
    ) -> super::tags::Names {
        keys.extend(x.cache.surrogate_keys.iter().cloned());
        let url = purge::url_tag(&url(x));
        let names = self
            .tags
            .names(began, keys.iter().chain([&url]).map(String::as_str));
        // A 304 need not repeat what the answer was tagged with.
        known.map_or(names.clone(), |known| names.with(&known.names))
    }

    /// A request that the cache has nothing to do with.
    async fn pass(
        self: &Arc<Self>,
        x: &mut Exchange,
        body: Body,
        fetch: &Rc<dyn Fetch>,
        forward: &'static str,
        detail: Option<&str>,
    ) -> Served {
        self.misses.fetch_add(1, Relaxed);
        let request = copy(x, body);
        let (mut parts, body) = fetch.fetch(x, request).await?.into_parts();
        answer::strip(&mut parts.headers);
        let forward_status = Some(parts.status.as_u16());
        let status = Status {
            forward: Some(forward),
            forward_status,
            detail,
            ..Status::default()
        };
        answer::tell(&mut parts.headers, &status);
        Ok((parts, body))
    }

    /// A write: what it makes stale is dropped before its answer is given, so that whoever wrote
    /// reads the new state (RFC 9111, section 4.4; RFC 9875, section 3).
    async fn pass_write(
        self: &Arc<Self>,
        x: &mut Exchange,
        body: Body,
        fetch: &Rc<dyn Fetch>,
    ) -> Served {
        let (scheme, authority) = (x.scheme, Arc::clone(&x.authority));
        let (own, path) = (url(x), x.request.uri.path().to_owned());
        let (parts, body) = self.pass(x, body, fetch, "method", None).await?;
        if invalidate::has_changed(parts.status) {
            self.tags.purge(&purge::url_tag(&own));
            for url in invalidate::also(&parts.headers, scheme, &authority, &path) {
                self.tags.purge(&purge::url_tag(&url));
            }
        }
        for group in groups::invalidated(&parts.headers) {
            self.tags.purge(&group);
        }
        Ok((parts, body))
    }
}

/// What `Content-Length` says.
fn promised(parts: &Parts) -> Option<u64> {
    parts
        .headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// How long the body will be at least.
fn length(parts: &Parts, body: &Body) -> u64 {
    promised(parts).unwrap_or(0).max(body.size_hint().lower())
}

/// The URL as clients ask for it.
fn url(x: &Exchange) -> String {
    let target = x
        .request
        .uri
        .path_and_query()
        .map_or("/", http::uri::PathAndQuery::as_str);
    format!("{}://{}{target}", x.scheme, x.authority)
}

/// The request to send on.
pub(super) fn copy(x: &Exchange, body: Body) -> Request<Body> {
    let mut request = Request::new(body);
    *request.method_mut() = x.request.method.clone();
    *request.uri_mut() = x.request.uri.clone();
    *request.headers_mut() = x.request.headers.clone();
    request
}

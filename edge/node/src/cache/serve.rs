//! The way of a request through the cache.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use http::Method;
use http_body::Body as _;
use zephyr_cache::{RequestDirectives, Status, Way, key, way};

use super::content::Content;
use super::flight::{Boarding, Landing, PASS};
use super::forward::{Errand, copy};
use super::key::{Key, Probe};
use super::lookup::Look;
use super::{Cache, Fetch, Served, answer};
use crate::body::Body;
use crate::error::ProxyError;
use crate::exchange::Exchange;

/// A request that has waited so often for others goes on its own.
const MAX_WAITS: u32 = 8;

impl Cache {
    /// Answers a request from the store or through `fetch`. Must be called inside a
    /// [`tokio::task::LocalSet`]: what goes on behind the client's back runs there.
    ///
    /// # Errors
    ///
    /// What the upstream's trip says, when no stored answer may take its place; 504 when only a
    /// stored answer was asked for and there is none.
    pub async fn serve(
        self: &Arc<Self>,
        x: &mut Exchange,
        body: Body,
        fetch: &Rc<dyn Fetch>,
    ) -> Served {
        if !self.config.status_key {
            return self.answer(x, body, fetch).await;
        }
        let key = key::shown(x.scheme, &x.authority, &x.request.uri, &x.cache);
        match self.answer(x, body, fetch).await {
            Ok((mut parts, body)) => {
                answer::tell_key(&mut parts.headers, &key);
                Ok((parts, body))
            }
            Err(mut error) => {
                let told = error.cache_status.take();
                error.cache_status = told.and_then(|told| answer::with_key(&told, &key));
                Err(error)
            }
        }
    }

    async fn answer(
        self: &Arc<Self>,
        x: &mut Exchange,
        body: Body,
        fetch: &Rc<dyn Fetch>,
    ) -> Served {
        let request = &x.request;
        match way::of(
            &request.method,
            &request.headers,
            &x.cache,
            !body.is_end_stream(),
        ) {
            Way::Look => {}
            Way::Pass { reason, detail } => {
                return self.pass(x, body, fetch, reason, detail.as_deref()).await;
            }
            Way::Write { reason, detail } => {
                return self.write(x, body, fetch, reason, detail.as_deref()).await;
            }
        }
        let directives = RequestDirectives::of(&x.request.headers);
        let probe = Probe::of(x, &self.hasher);
        match self.look(
            probe.as_ref(),
            &x.request.method,
            &x.request.headers,
            &directives,
        ) {
            Look::Give(given) if !given.refresh && given.stored.body.bytes().is_some() => {
                self.give(probe.as_ref().hash, x, &given, None)
            }
            look => {
                let key = probe.to_key();
                drop(probe);
                // Boxed, so that a hit does not pay for the size of this.
                Box::pin(self.missed(key, x, &directives, look, fetch)).await
            }
        }
    }

    async fn missed(
        self: &Arc<Self>,
        key: Key,
        x: &mut Exchange,
        directives: &RequestDirectives,
        mut look: Look,
        fetch: &Rc<dyn Fetch>,
    ) -> Served {
        let gave_up = Instant::now() + self.config.collapse_timeout;
        let mut waits = 0;
        let mut waited = None;
        let mut alone = false;
        if self.bring(&key, &look).await {
            look = self.look_again(&key, x, directives);
        }
        loop {
            let mut forward = match look {
                Look::Give(given) => {
                    if given.refresh {
                        self.refresh(&key, x, &given.stored, fetch);
                    }
                    if let Content::Slices(slices) = given.stored.body {
                        let given = (&given, slices);
                        let only_stored = directives.only_if_cached;
                        let served = self
                            .give_slices(&key, x, given, waited, only_stored, fetch)
                            .await;
                        if let Some(served) = served {
                            return served;
                        }
                        let errand = Errand::as_asked(&key, "partial");
                        return self.forward(x, fetch, errand).await;
                    }
                    match self.hand_over(&key, x, given, waited).await {
                        Some(served) => return served,
                        None => {
                            look = self.look_again(&key, x, directives);
                            continue;
                        }
                    }
                }
                Look::Forward(forward) => forward,
            };
            if directives.only_if_cached {
                return Err(ProxyError::not_stored());
            }
            if directives.no_store {
                // What comes of it changes nothing that is stored (RFC 9111, section 5.2.1.5).
                forward.forget();
            }
            if x.request.method == Method::HEAD {
                let errand = Errand::of(&key, forward, None);
                return self.head(x, fetch, errand).await;
            }
            let boarding = if alone || directives.no_cache || directives.no_store {
                // Who wants the upstream to be asked does not want another one's answer, and nobody
                // else gets the answer of who wants it not to be stored.
                Boarding::Alone
            } else {
                self.board(key.hash(), forward.flight)
            };
            let (forward, pilot) = match boarding {
                Boarding::Fly(pilot) => {
                    // Between the look and the boarding another may have landed.
                    look = self.look_again(&key, x, directives);
                    match look {
                        Look::Give(_) => continue,
                        Look::Forward(again) => (again, Some(pilot)),
                    }
                }
                Boarding::Alone => (forward, None),
                Boarding::Wait(mut landing) => {
                    let left = gave_up.saturating_duration_since(Instant::now());
                    let landed = landing.wait_for(|landing| !matches!(landing, Landing::Flying));
                    waits += 1;
                    let outcome = tokio::time::timeout(left, landed).await;
                    let mut outcome = outcome.map(|landed| landed.map(|landing| landing.clone()));
                    if let Ok(Ok(Landing::Follow(stored))) = &outcome {
                        if let Some(given) = self.follow(stored, x, directives) {
                            return self.give(key.hash(), x, &given, Some(forward.reason));
                        }
                        let left = gave_up.saturating_duration_since(Instant::now());
                        let landed = landing.wait_for(|landing| {
                            matches!(landing, Landing::Landed | Landing::Alone)
                        });
                        let ended = tokio::time::timeout(left, landed).await;
                        outcome = ended.map(|landed| landed.map(|landing| landing.clone()));
                    }
                    if outcome.is_err() {
                        // Who comes next does not wait as long for the same.
                        self.pass_flight(key.hash(), forward.flight, PASS);
                    }
                    alone = waits >= MAX_WAITS
                        || outcome.is_err()
                        || matches!(outcome, Ok(Ok(Landing::Alone)));
                    waited = Some(forward.reason);
                    look = self.look_again(&key, x, directives);
                    continue;
                }
            };
            let mut forward = forward;
            if let Some(part) = forward.part.take() {
                forward.part = self.brought(&key, part).await;
            }
            return self
                .forward(x, fetch, Errand::of(&key, forward, pilot))
                .await;
        }
    }

    fn look_again(&self, key: &Key, x: &Exchange, directives: &RequestDirectives) -> Look {
        let (method, request) = (&x.request.method, &x.request.headers);
        self.look(key.as_ref(), method, request, directives)
    }

    /// A request that the cache has nothing to do with.
    pub(super) async fn pass(
        self: &Arc<Self>,
        x: &mut Exchange,
        body: Body,
        fetch: &Rc<dyn Fetch>,
        reason: &'static str,
        detail: Option<&str>,
    ) -> Served {
        self.slots[0].misses.fetch_add(1, Relaxed);
        let request = copy(x, body);
        let fetched = fetch.fetch(x, request).await;
        let fetched = fetched.map_err(|error| error.forwarded(reason, detail))?;
        let (mut parts, body) = fetched.into_parts();
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
}

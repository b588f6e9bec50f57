//! Looking into the store for a request.

use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, header};
use zephyr_cache::reuse;
use zephyr_cache::vary::Selection;
use zephyr_cache::{Freshness, RequestDirectives, Status};

use super::key::KeyRef;
use super::shard::Found;
use super::stored::Stored;
use super::{Cache, Served, answer};
use crate::exchange::Exchange;

/// What there is for a request.
pub(super) enum Look {
    /// An answer that may be given.
    Give(Given),
    /// The request has to go on.
    Forward(Forward),
}

/// A stored answer that may be given.
pub(super) struct Given {
    pub(super) stored: Arc<Stored>,
    pub(super) freshness: Freshness,
    pub(super) now: Duration,
    /// Whether it is to be refreshed behind the client's back.
    pub(super) refresh: bool,
    pub(super) detail: Option<&'static str>,
}

/// Why a request has to go on.
pub(super) struct Forward {
    /// The reason, as `Cache-Status` says it.
    pub(super) reason: &'static str,
    /// A stored answer to ask about.
    pub(super) validate: Option<Arc<Stored>>,
    /// A stored part that lacks something of what is asked for.
    pub(super) part: Option<Arc<Stored>>,
    /// Stored answers for other requests: the upstream may name one of them.
    pub(super) variants: Vec<Arc<Stored>>,
    /// Who waits for whom.
    pub(super) flight: u64,
}

impl Forward {
    /// Leaves out everything that is stored.
    pub(super) fn forget(&mut self) {
        (self.validate, self.part) = (None, None);
        self.variants.clear();
    }

    /// Whether nothing that is stored is of any use.
    pub(super) fn is_miss(&self) -> bool {
        self.validate.is_none() && self.part.is_none()
    }
}

impl Cache {
    pub(super) fn look(
        &self,
        key: KeyRef<'_>,
        method: &Method,
        request: &HeaderMap,
        directives: &RequestDirectives,
    ) -> Look {
        let alive = |stored: &Stored| self.tags.alive(&stored.names);
        let found = {
            let mut shard = self.slot(key.hash).shard.lock();
            shard.find(key, method, request, alive)
        };
        let forward = |reason, selection: &Selection, ranged| Forward {
            reason,
            validate: None,
            part: None,
            variants: Vec::new(),
            flight: self.flight_of(key.hash, selection, request, ranged),
        };
        let stored = match found {
            Found::Hit(stored) => stored,
            Found::Part(stored) => {
                return Look::Forward(Forward {
                    part: Some(Arc::clone(&stored)),
                    // RFC 9211, section 2.2.
                    ..forward("partial", &stored.selection, true)
                });
            }
            Found::Other(variants) => {
                let none = Selection::default();
                let latest = variants.first();
                let selection = latest.map_or(&none, |latest| &latest.selection);
                return Look::Forward(Forward {
                    variants: variants.clone(),
                    ..forward("vary-miss", selection, true)
                });
            }
            Found::Nothing => {
                return Look::Forward(forward("uri-miss", &Selection::default(), true));
            }
        };
        let now = self.now();
        let backs_off = stored.backs_off(now);
        let freshness = self.tags.freshness(&stored);
        let (refresh, detail) = match reuse::look(&freshness, directives, now, backs_off) {
            reuse::Look::Give { refresh, detail } => (refresh, detail),
            reuse::Look::Validate(reason) => {
                return Look::Forward(Forward {
                    validate: Some(Arc::clone(&stored)),
                    ..forward(reason, &stored.selection, stored.part.is_some())
                });
            }
        };
        Look::Give(Given {
            stored,
            freshness,
            now,
            refresh,
            detail,
        })
    }

    /// An answer on its way that this request may have as well.
    pub(super) fn follow(
        &self,
        stored: &Arc<Stored>,
        x: &Exchange,
        directives: &RequestDirectives,
    ) -> Option<Given> {
        let request = &x.request.headers;
        let is_for = x.request.method == Method::GET
            && !request.contains_key(header::RANGE)
            && stored.selection.matches(request)
            && stored.has(&Method::GET, request)
            && stored.body.is_there()
            && self.tags.alive(&stored.names);
        let (freshness, now) = (self.tags.freshness(stored), self.now());
        match reuse::look(&freshness, directives, now, false) {
            reuse::Look::Give { refresh, detail } if is_for && !refresh => Some(Given {
                stored: Arc::clone(stored),
                freshness,
                now,
                refresh,
                detail,
            }),
            _ => None,
        }
    }

    /// Requests for the same variant have the same flight, and where parts are fetched as parts
    /// (`ranged`), those for the same part.
    pub(super) fn flight_of(
        &self,
        hash: u64,
        selection: &Selection,
        request: &HeaderMap,
        ranged: bool,
    ) -> u64 {
        let range = request.get(header::RANGE).filter(|_| ranged);
        let plain = selection.is_empty() && range.is_none();
        if plain && !request.contains_key(header::AUTHORIZATION) {
            return hash;
        }
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u64(hash);
        // Answers to these are rarely shared (RFC 9111, section 3.5), which is nobody else's fault.
        hasher.write_u8(request.contains_key(header::AUTHORIZATION).into());
        selection.fingerprint(request, &mut hasher);
        if let Some(range) = range {
            hasher.write(range.as_bytes());
        }
        hasher.finish()
    }

    /// Answers with a stored answer. `waited` is why the request would have gone on, had another not
    /// gone for it.
    pub(super) fn give(
        &self,
        hash: u64,
        x: &Exchange,
        given: &Given,
        waited: Option<&'static str>,
    ) -> Served {
        let hits = &self.slot(hash).hits;
        hits.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let status = Status {
            hit: waited.is_none(),
            forward: waited,
            ttl: Some(given.freshness.ttl(given.now)),
            collapsed: waited.is_some(),
            detail: given.detail,
            ..Status::default()
        };
        let (method, request) = (&x.request.method, &x.request.headers);
        Ok(answer::from_store(
            &given.stored,
            method,
            request,
            given.now,
            &status,
        ))
    }
}

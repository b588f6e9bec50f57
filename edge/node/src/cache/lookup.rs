//! Looking into the store for a request.

use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, header};
use zephyr_cache::reuse;
use zephyr_cache::vary::Selection;
use zephyr_cache::{RequestDirectives, Status};

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
    now: Duration,
    /// Whether it is to be refreshed behind the client's back.
    pub(super) refresh: bool,
    detail: Option<&'static str>,
}

/// Why a request has to go on.
pub(super) struct Forward {
    /// The reason, as `Cache-Status` says it.
    pub(super) reason: &'static str,
    /// A stored answer to ask about.
    pub(super) validate: Option<Arc<Stored>>,
    /// Who waits for whom.
    pub(super) flight: u64,
}

impl Cache {
    pub(super) fn look(
        &self,
        key: KeyRef<'_>,
        request: &HeaderMap,
        directives: &RequestDirectives,
    ) -> Look {
        let alive = |stored: &Stored| self.tags.alive(&stored.names);
        let found = self.slot(key.hash).shard.lock().find(key, request, alive);
        let stored = match found {
            Found::Hit(stored) => stored,
            Found::Other(latest) => {
                return Look::Forward(Forward {
                    reason: "vary-miss",
                    validate: None,
                    flight: self.flight_of(key.hash, &latest.selection, request),
                });
            }
            Found::Nothing => {
                return Look::Forward(Forward {
                    reason: "uri-miss",
                    validate: None,
                    flight: self.flight_of(key.hash, &Selection::default(), request),
                });
            }
        };
        let now = self.now();
        let backs_off = stored.backs_off(now);
        let (refresh, detail) = match reuse::look(&stored.freshness, directives, now, backs_off) {
            reuse::Look::Give { refresh, detail } => (refresh, detail),
            reuse::Look::Validate(reason) => {
                return Look::Forward(Forward {
                    reason,
                    flight: self.flight_of(key.hash, &stored.selection, request),
                    validate: Some(stored),
                });
            }
        };
        Look::Give(Given {
            stored,
            now,
            refresh,
            detail,
        })
    }

    /// Requests for the same variant have the same flight.
    pub(super) fn flight_of(&self, hash: u64, selection: &Selection, request: &HeaderMap) -> u64 {
        if selection.is_empty() && !request.contains_key(header::AUTHORIZATION) {
            return hash;
        }
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u64(hash);
        // Answers to these are rarely shared (RFC 9111, section 3.5), which is nobody else's fault.
        hasher.write_u8(request.contains_key(header::AUTHORIZATION).into());
        selection.fingerprint(request, &mut hasher);
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
            ttl: Some(given.stored.freshness.ttl(given.now)),
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

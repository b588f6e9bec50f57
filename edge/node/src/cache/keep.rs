//! An answer on its way into the store: all but its body.

use std::sync::Arc;

use http::{HeaderMap, header};
use zephyr_cache::vary::Selection;
use zephyr_cache::{Freshness, Head, Part};

use super::Cache;
use super::content::Content;
use super::flight::{PASS, Pilot};
use super::key::Key;
use super::stored::Stored;
use super::tags::Names;

/// What an answer is stored with, once its body is whole. Dropped before that, those who wait look
/// again and one of them fetches.
pub(super) struct Keep {
    pub(super) cache: Arc<Cache>,
    pub(super) key: Key,
    pub(super) flight: u64,
    pub(super) request: HeaderMap,
    pub(super) head: Head,
    /// Which part of the whole the body is, when it is one.
    pub(super) part: Option<Part>,
    pub(super) freshness: Freshness,
    pub(super) selection: Selection,
    pub(super) names: Names,
    pub(super) pilot: Option<Pilot>,
}

impl Keep {
    /// Whether the body is as long as the answer says. One that is not was cut off (RFC 9111,
    /// section 3.3), or is not what the head is about.
    pub(super) fn is_whole(&self, length: u64) -> bool {
        if let Some(part) = self.part {
            return part.len() == length;
        }
        let told = self.head.headers.get(header::CONTENT_LENGTH);
        told.is_none_or(|told| {
            told.to_str().ok().and_then(|told| told.parse().ok()) == Some(length)
        })
    }

    /// The answer with this body.
    pub(super) fn stored(&self, body: Content) -> Stored {
        Stored::new(
            self.head.clone(),
            (body, self.part),
            self.freshness,
            self.selection.clone(),
            self.names.clone(),
        )
    }

    /// Lets those who wait follow the body that is on its way, if they may have the answer.
    pub(super) fn share(&self, body: Content) {
        if let Some(pilot) = &self.pilot
            && self.freshness.is_reusable(self.cache.now())
        {
            pilot.share(Arc::new(self.stored(body)));
        }
    }

    /// Stores the answer, on disk as well, then lets those who wait look again.
    pub(super) fn store(self, body: Content) -> Arc<Stored> {
        let (cache, key, request) = (
            Arc::clone(&self.cache),
            self.key.clone(),
            self.request.clone(),
        );
        let (stored, is_kept) = self.put(body);
        if is_kept {
            cache.write_down(&key, &request, &stored);
        }
        stored
    }

    /// Stores the answer in memory, then lets those who wait look again; tells whether it was stored.
    pub(super) fn put(self, body: Content) -> (Arc<Stored>, bool) {
        let stored = Arc::new(Stored::new(
            self.head,
            (body, self.part),
            self.freshness,
            self.selection,
            self.names,
        ));
        let (cache, hash) = (self.cache, self.key.hash());
        let alive = |stored: &Stored| cache.tags.alive(&stored.names);
        let mut fits = false;
        if alive(&stored) {
            let mut shard = cache.slot(hash).shard.lock();
            fits = shard.insert(&self.key, Arc::clone(&stored), &self.request, alive);
            shard.sweep(cache.tags.met(), cache.slots.len(), alive);
        }
        if fits && stored.freshness.is_reusable(cache.now()) {
            cache.unpass_flight(hash, self.flight);
        } else if alive(&stored) {
            // Everybody has to ask for themselves: nobody needs to wait for that.
            cache.pass_flight(hash, self.flight, PASS);
            if let Some(pilot) = self.pilot {
                pilot.land_alone();
            }
        }
        (stored, fits)
    }

    /// The answer is too large to be stored: those who wait fetch on their own.
    pub(super) fn give_up(self) {
        self.cache.pass_flight(self.key.hash(), self.flight, PASS);
        self.cache.drop_on_disk(&self.key);
        if let Some(pilot) = self.pilot {
            pilot.land_alone();
        }
    }
}

//! One shard of the store in memory: the answers of each key, by [`zephyr_store::s3fifo`].

use std::sync::Arc;

use http::{HeaderMap, Method};
use zephyr_store::{S3Fifo, Weigh};

use super::key::{Key, KeyRef};
use super::stored::Stored;

#[derive(Debug)]
pub(super) struct Shard {
    max_variants: usize,
    table: S3Fifo<Entry>,
    /// How many answers purges had met when this shard was last swept.
    swept_at: usize,
}

#[derive(Debug)]
struct Entry {
    key: Key,
    /// The latest comes last.
    variants: Vec<Arc<Stored>>,
}

impl Weigh for Entry {
    fn weight(&self) -> usize {
        let answers = self.variants.iter().map(|stored| stored.size());
        self.key.size() + answers.sum::<usize>()
    }
}

impl Entry {
    fn covering(
        &self,
        low: u64,
        high: u64,
        alive: impl Fn(&Stored) -> bool,
    ) -> Option<&Arc<Stored>> {
        let mut all = self.variants.iter().rev();
        all.find(|stored| stored.covers(low, high) && stored.body.is_there() && alive(stored))
    }

    fn is_useful(&self, alive: &impl Fn(&Stored) -> bool) -> bool {
        self.variants.iter().any(|stored| alive(stored))
    }
}

/// What a look-up finds.
#[derive(Debug)]
pub(super) enum Found {
    /// The answer for this request.
    Hit(Arc<Stored>),
    /// The latest answer for this request that is a part, and not the part that is asked for.
    Part(Arc<Stored>),
    /// Answers for other requests, the latest first.
    Other(Vec<Arc<Stored>>),
    /// Nothing.
    Nothing,
}

impl Shard {
    pub(super) fn new(budget: usize, max_variants: usize) -> Self {
        Self {
            max_variants: max_variants.max(1),
            table: S3Fifo::new(budget),
            swept_at: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.table.bytes()
    }

    pub(super) fn evicted(&self) -> u64 {
        self.table.evicted()
    }

    /// The answer for a request. `alive` tells whether one was purged; such are dropped.
    pub(super) fn find(
        &mut self,
        key: KeyRef<'_>,
        method: &Method,
        request: &HeaderMap,
        alive: impl Fn(&Stored) -> bool,
    ) -> Found {
        let alive = |stored: &Stored| stored.body.is_there() && alive(stored);
        let same = |entry: &Entry| entry.key.as_ref() == key;
        // The latest is the one to prefer when several match (RFC 9111, section 4.1).
        let mut part = None;
        let hit = self.table.pick(key.hash, same, |entry| {
            for stored in entry.variants.iter().rev() {
                if !stored.selection.matches(request) || !alive(stored) {
                    continue;
                }
                if stored.has(method, request) {
                    return Some(Arc::clone(stored));
                }
                if part.is_none() {
                    part = Some(Arc::clone(stored));
                }
            }
            None
        });
        if let Some(stored) = hit {
            return Found::Hit(stored);
        }
        if let Some(stored) = part {
            return Found::Part(stored);
        }
        if self.table.peek(key.hash, same).is_none() {
            return Found::Nothing;
        }
        self.retain(key, alive);
        let entry = self.table.peek(key.hash, same);
        entry.map_or(Found::Nothing, |entry| {
            Found::Other(entry.variants.iter().rev().map(Arc::clone).collect())
        })
    }

    /// A slice, or a part of one, that has all bytes from `low` to `high`. It counts as used.
    pub(super) fn slice(
        &mut self,
        key: KeyRef<'_>,
        low: u64,
        high: u64,
        alive: impl Fn(&Stored) -> bool,
    ) -> Option<Arc<Stored>> {
        let same = |entry: &Entry| entry.key.as_ref() == key;
        let pick = |entry: &Entry| entry.covering(low, high, alive).map(Arc::clone);
        self.table.pick(key.hash, same, pick)
    }

    /// Whether there is one.
    pub(super) fn has_slice(
        &self,
        key: KeyRef<'_>,
        low: u64,
        high: u64,
        alive: impl Fn(&Stored) -> bool,
    ) -> bool {
        let same = |entry: &Entry| entry.key.as_ref() == key;
        let entry = self.table.peek(key.hash, same);
        entry.is_some_and(|entry| entry.covering(low, high, alive).is_some())
    }

    /// Counts what there is of a key as used.
    pub(super) fn touch(&mut self, key: KeyRef<'_>) {
        let same = |entry: &Entry| entry.key.as_ref() == key;
        self.table.pick(key.hash, same, |_| Some(()));
    }

    /// Stores an answer; it takes the place of those for the same requests, but for other parts. Tells
    /// whether there is room for it.
    pub(super) fn insert(
        &mut self,
        key: &Key,
        stored: Arc<Stored>,
        request: &HeaderMap,
        alive: impl Fn(&Stored) -> bool,
    ) -> bool {
        self.retain(key.as_ref(), |old| {
            !old.selection.matches(request) || old.stays_beside(&stored)
        });
        if !self.table.has_room_for(key.size() + stored.size()) {
            return false;
        }
        let most = self.max_variants;
        self.add(key, alive, |variants| {
            if variants.len() >= most {
                variants.remove(0);
            }
            variants.push(stored);
        });
        true
    }

    /// Puts answers from disk, the latest last, before those that are here already; tells whether there
    /// were any.
    pub(super) fn bring(
        &mut self,
        key: &Key,
        found: Vec<Arc<Stored>>,
        alive: impl Fn(&Stored) -> bool,
    ) -> bool {
        if found.is_empty() {
            return false;
        }
        let most = self.max_variants;
        self.add(key, alive, |variants| {
            let mut all: Vec<Arc<Stored>> = Vec::with_capacity(found.len() + variants.len());
            for stored in found.into_iter().chain(variants.drain(..)) {
                all.retain(|old| old.selection != stored.selection || old.stays_beside(&stored));
                all.push(stored);
            }
            all.drain(..all.len().saturating_sub(most));
            *variants = all;
        });
        true
    }

    /// Puts an answer in the place of another that is the same otherwise.
    pub(super) fn replace(
        &mut self,
        key: &Key,
        old: &Arc<Stored>,
        new: Arc<Stored>,
        alive: impl Fn(&Stored) -> bool,
    ) {
        self.add(key, alive, |variants| {
            if let Some(place) = variants.iter_mut().find(|stored| Arc::ptr_eq(stored, old)) {
                *place = new;
            }
        });
    }

    /// Drops the answers for this request.
    pub(super) fn remove(&mut self, key: KeyRef<'_>, request: &HeaderMap) {
        self.retain(key, |stored| !stored.selection.matches(request));
    }

    /// Drops this answer.
    pub(super) fn remove_one(&mut self, key: KeyRef<'_>, one: &Arc<Stored>) {
        self.retain(key, |stored| !std::ptr::eq(stored, &raw const **one));
    }

    /// Drops the answers of a key that are like this; tells whether there were any.
    pub(super) fn remove_where(&mut self, key: KeyRef<'_>, is: impl Fn(&Stored) -> bool) -> bool {
        let same = |entry: &Entry| entry.key.as_ref() == key;
        let entry = self.table.peek(key.hash, same);
        let found = entry.is_some_and(|entry| entry.variants.iter().any(|stored| is(stored)));
        if found {
            self.retain(key, |stored| !is(stored));
        }
        found
    }

    /// Drops everything; tells how many keys that were.
    pub(super) fn clear(&mut self) -> usize {
        self.table.clear()
    }

    /// Frees what was purged, once that may be a good part of the shard. `met` is how many answers
    /// purges have met in `shards` shards so far.
    pub(super) fn sweep(&mut self, met: usize, shards: usize, alive: impl Fn(&Stored) -> bool) {
        let dead = met.wrapping_sub(self.swept_at) / shards;
        if dead <= self.table.len() / 4 + 64 {
            return;
        }
        self.swept_at = met;
        self.table.retain(|entry| {
            entry.variants.retain(|stored| alive(stored));
            !entry.variants.is_empty()
        });
    }

    /// Changes the answers of a key, or makes its first ones.
    fn add(
        &mut self,
        key: &Key,
        alive: impl Fn(&Stored) -> bool,
        change: impl FnOnce(&mut Vec<Arc<Stored>>),
    ) {
        let hash = key.hash();
        let same = |entry: &Entry| entry.key.as_ref() == key.as_ref();
        let useful = |entry: &Entry| entry.is_useful(&alive);
        if self.table.peek(hash, same).is_some() {
            let change = |entry: &mut Entry| {
                change(&mut entry.variants);
                !entry.variants.is_empty()
            };
            self.table.change(hash, same, change, useful);
            return;
        }
        let mut variants = Vec::new();
        change(&mut variants);
        if !variants.is_empty() {
            let key = key.clone();
            self.table.insert(hash, Entry { key, variants }, useful);
        }
    }

    /// Drops the answers of a key that are not to be kept.
    fn retain(&mut self, key: KeyRef<'_>, keep: impl Fn(&Stored) -> bool) {
        let same = |entry: &Entry| entry.key.as_ref() == key;
        let goes = |entry: &Entry| entry.variants.iter().any(|stored| !keep(stored));
        if !self.table.peek(key.hash, same).is_some_and(goes) {
            return;
        }
        let change = |entry: &mut Entry| {
            entry.variants.retain(|stored| keep(stored));
            !entry.variants.is_empty()
        };
        self.table.change(key.hash, same, change, |_| true);
    }

    /// Adds up again what is accounted for.
    #[cfg(test)]
    pub(super) fn recount(&self) -> usize {
        self.table.recount()
    }
}

//! Answers that are too large to be stored as one piece: a head of their own, and slices of their body
//! that are stored each by itself, in memory and on disk like all else ([`zephyr_cache::slices`] is the
//! arithmetic).
//!
//! The first request goes on as the client asked it; what passes is cut into slices and stored
//! ([`passing`]), as far as it comes, at the client's pace. Later requests are answered slice by slice
//! ([`walk`]): those that are stored come from the store, those that lack are fetched in runs
//! ([`run`]), each by one of all who want it. What one request holds in memory of them is bounded by
//! two slices, and all together by what bodies on their way may take.
//!
//! A slice is found by the head's key and variant, the strong entity tag, the length and its number: a
//! new version leaves the old slices unreachable, and they age out. It has the names of its head, so
//! that a purge meets it as well, be the head there or not.

mod body;
mod give;
mod passing;
mod run;
mod walk;

use std::sync::Arc;

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, StatusCode, header};
use zephyr_cache::{Head, Part, Selection, Slices, slices};

use super::Cache;
use super::content::Content;
use super::keep::Keep;
use super::key::Key;
use super::stored::Stored;
use super::tags::Names;
use crate::body::Body;

/// So many slices are looked for to tell whether one lacks; what is behind them does not count.
const MAX_LOOK: usize = 4096;

/// A sliced answer at hand.
pub(super) struct Sliced {
    cache: Arc<Cache>,
    key: Key,
    head: Arc<Stored>,
    slices: Slices,
    /// What the keys of all its slices begin with.
    prefix: Vec<u8>,
}

impl Cache {
    /// How a new answer is to be cut, when it is one to be: what of the whole it brings, and the slices.
    pub(super) fn cuts(&self, request: &HeaderMap, parts: &Parts) -> Option<(Part, Slices)> {
        let part = slices::placed(request, parts.status, &parts.headers)?;
        let complete = part.complete.filter(|all| *all > self.largest)?;
        Some((part, Slices::new(complete, self.slice_bytes)?))
    }

    /// Stores the head, and the slices as they pass; gives the client's body.
    pub(super) fn pass_in_slices(keep: Keep, part: Part, slices: Slices, body: Body) -> Body {
        let (cache, key) = (Arc::clone(&keep.cache), keep.key.clone());
        // Those who wait need not wait for the body: they take slices of their own.
        let head = keep.store(Content::Slices(slices));
        let sliced = Sliced::of(cache, key, head, slices);
        Body::stream(passing::Passing::new(body, sliced, part))
    }
}

impl Sliced {
    pub(super) fn of(cache: Arc<Cache>, key: Key, head: Arc<Stored>, slices: Slices) -> Self {
        let mut variant = Vec::new();
        head.selection.append_key(&mut variant);
        let tag = head.head.headers.get(header::ETAG);
        let tag = tag.map_or(&[][..], |tag| tag.as_bytes());
        let mut prefix = b"slice\0".to_vec();
        for part in [key.text(), &variant, tag] {
            prefix.extend_from_slice(&(part.len() as u64).to_le_bytes());
            prefix.extend_from_slice(part);
        }
        for number in [slices.complete(), slices.size()] {
            prefix.extend_from_slice(&number.to_le_bytes());
        }
        Self {
            cache,
            key,
            head,
            slices,
            prefix,
        }
    }

    fn key_of(&self, number: u64) -> Key {
        let mut text = Vec::with_capacity(self.prefix.len() + 8);
        text.extend_from_slice(&self.prefix);
        text.extend_from_slice(&number.to_le_bytes());
        Key::new(&text, &self.cache.hasher)
    }

    /// A slice, or what there is of it from `from` on, as it is stored.
    fn stored(&self, number: u64, from: u64, body: Content, names: Names) -> Stored {
        let (length, whole) = (body.length(), self.slices.length(number));
        let is_part = length != whole;
        let part = is_part.then(|| Part {
            first: from,
            last: from + length.saturating_sub(1),
            complete: Some(whole),
        });
        let mut headers = HeaderMap::new();
        // By their tag, parts know that they are of the same.
        if let (true, Some(tag)) = (is_part, self.head.head.headers.get(header::ETAG)) {
            headers.insert(header::ETAG, tag.clone());
        }
        let head = Head {
            status: StatusCode::OK,
            headers,
            before: None,
        };
        let freshness = self.head.freshness;
        Stored::new(head, (body, part), freshness, Selection::default(), names)
    }

    /// Stores a slice, or what there is of it from `from` on. Its head counts as used.
    fn keep(&self, number: u64, from: u64, bytes: Bytes, names: Names) {
        if bytes.is_empty() {
            return;
        }
        let (low, high) = (from, from + bytes.len() as u64 - 1);
        let stored = Arc::new(self.stored(number, from, Content::Memory(bytes), names));
        let (cache, key) = (&self.cache, self.key_of(number));
        let alive = |stored: &Stored| cache.tags.alive(&stored.names);
        if !alive(&stored) {
            return;
        }
        let request = HeaderMap::new();
        {
            let mut shard = cache.slot(key.hash()).shard.lock();
            if shard.has_slice(key.as_ref(), low, high, alive) {
                return;
            }
            shard.insert(&key, Arc::clone(&stored), &request, alive);
            shard.sweep(cache.tags.met(), cache.slots.len(), alive);
        }
        cache.write_down(&key, &request, &stored);
        let mut shard = cache.slot(self.key.hash()).shard.lock();
        shard.touch(self.key.as_ref());
    }

    /// The bytes of a slice from `low` to `high`, when they are in memory.
    fn in_memory(&self, key: &Key, low: u64, high: u64) -> Option<Bytes> {
        let alive = |stored: &Stored| self.cache.tags.alive(&stored.names);
        let found = {
            let mut shard = self.cache.slot(key.hash()).shard.lock();
            shard.slice(key.as_ref(), low, high, alive)
        };
        bytes_of(&*found?, low, high)
    }

    /// The bytes of a slice from `low` to `high`, when they are stored. Those of a slice that is on disk
    /// come into memory with it.
    async fn find(&self, number: u64, low: u64, high: u64) -> Option<Bytes> {
        let key = self.key_of(number);
        if let Some(bytes) = self.in_memory(&key, low, high) {
            return Some(bytes);
        }
        let found = self.cache.on_disk_of(&key).await;
        let covers = |stored: &&Arc<Stored>| stored.covers(low, high);
        let stored = found.iter().rev().find(covers)?;
        let stored = self.cache.read_whole(stored).await?;
        if stored.body.length()
            != stored
                .part
                .map_or(self.slices.length(number), |part| part.len())
        {
            return None;
        }
        let bytes = bytes_of(&stored, low, high);
        let alive = |stored: &Stored| self.cache.tags.alive(&stored.names);
        let mut shard = self.cache.slot(key.hash()).shard.lock();
        if !shard.has_slice(key.as_ref(), low, high, alive) {
            shard.insert(&key, stored, &HeaderMap::new(), alive);
        }
        bytes
    }

    /// Whether a slice is not stored, as far as can be told without reading from disk.
    fn lacks(&self, number: u64) -> bool {
        !self.has(number, 0, self.slices.length(number) - 1)
    }

    fn has(&self, number: u64, low: u64, high: u64) -> bool {
        let key = self.key_of(number);
        let alive = |stored: &Stored| self.cache.tags.alive(&stored.names);
        let shard = self.cache.slot(key.hash()).shard.lock();
        let here = shard.has_slice(key.as_ref(), low, high, alive);
        drop(shard);
        here || self.cache.has_slice_on_disk(&key, &self.head.names)
    }

    /// Whether something of these bytes lacks in a slice behind so many of them.
    pub(super) fn lacking(&self, (first, last): (u64, u64), behind: usize) -> bool {
        let numbers = self.slices.needed(first, last).take(MAX_LOOK).skip(behind);
        let mut lacks = numbers.map(|number| {
            let (low, high) = self.slices.within(number, first, last);
            !self.has(number, low, high)
        });
        lacks.any(|lacks| lacks)
    }

    /// Drops the head of this version: there is another one.
    fn drop_head(&self) {
        let tag = self.head.head.headers.get(header::ETAG);
        let is_it = |stored: &Stored| {
            matches!(stored.body, Content::Slices(slices) if slices == self.slices)
                && stored.head.headers.get(header::ETAG) == tag
                && stored.selection == self.head.selection
        };
        let mut shard = self.cache.slot(self.key.hash()).shard.lock();
        let dropped = shard.remove_where(self.key.as_ref(), is_it);
        drop(shard);
        if dropped {
            self.cache.drop_on_disk(&self.key);
        }
    }
}

fn bytes_of(stored: &Stored, low: u64, high: u64) -> Option<Bytes> {
    let bytes = stored.body.bytes()?;
    let begin = stored.part.map_or(0, |part| part.first);
    let (low, high) = (low.checked_sub(begin)?, high.checked_sub(begin)?);
    (low <= high && high < bytes.len() as u64).then(|| bytes.slice(low as usize..=high as usize))
}

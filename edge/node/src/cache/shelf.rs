//! The disk tier behind the shards: what is not in memory is looked for there, what is asked for comes
//! back into memory, and what is damaged or gone counts as a miss.

use std::sync::Arc;

use zephyr_cache::{Part, Selection};
use zephyr_store::{Disk, Loaded, NewObject, Object};

use super::content::{self, Content};
use super::keep::Keep;
use super::key::Key;
use super::lookup::{Given, Look};
use super::record;
use super::stored::Stored;
use super::tags::Names;
use super::{Cache, Served};
use crate::exchange::Exchange;

impl Cache {
    /// Brings what is on disk for a key into memory, without bodies; tells whether there is anything.
    pub(super) async fn bring(&self, key: &Key, look: &Look) -> bool {
        if !matches!(look, Look::Forward(forward) if forward.is_miss()) {
            return false;
        }
        let stored = self.on_disk_of(key).await;
        if stored.is_empty() {
            return false;
        }
        let alive = |stored: &Stored| self.tags.alive(&stored.names);
        let mut shard = self.slot(key.hash()).shard.lock();
        shard.bring(key, stored, alive)
    }

    /// What is on disk for a key, oldest first, without bodies.
    pub(super) async fn on_disk_of(&self, key: &Key) -> Vec<Arc<Stored>> {
        let Some(disk) = self.tier.get() else {
            return Vec::new();
        };
        let hash = self.disk_hash(key);
        if !disk.contains(hash) {
            return Vec::new();
        }
        let loaded = disk.load(hash).await;
        let own = |loaded: &Loaded| loaded.key == key.text();
        let stored = loaded.into_iter().filter(own);
        stored
            .filter_map(|loaded| self.read(&disk, loaded))
            .collect()
    }

    /// Whether the whole of a slice is on disk, as far as the index knows, and was not purged by one of
    /// its head's names.
    pub(super) fn has_slice_on_disk(&self, key: &Key, names: &Names) -> bool {
        let Some(disk) = self.tier.get() else {
            return false;
        };
        let variant = self.disk_variant(&Selection::default(), None);
        let began = disk.began(self.disk_hash(key), variant);
        began.is_some_and(|began| self.tags.outlives(names, began))
    }

    /// The same with all of its body in memory, which must be allowed to be there. None when it cannot
    /// be read.
    pub(super) async fn read_whole(&self, stored: &Arc<Stored>) -> Option<Arc<Stored>> {
        let Content::Disk(disk, object) = &stored.body else {
            return Some(Arc::clone(stored));
        };
        let bytes = disk.read(object, 0..u64::MAX)?.all().await.ok()?;
        Some(Arc::new(stored.with_body(Content::Memory(bytes))))
    }

    /// A stored part with its body in memory, so that it can be continued; as it is when that is too
    /// large to be there, none when it cannot be read.
    pub(super) async fn brought(&self, key: &Key, part: Arc<Stored>) -> Option<Arc<Stored>> {
        match &part.body {
            Content::Disk(_, object) if object.length() <= self.largest_in_memory as u64 => {
                let read = self.read_whole(&part).await;
                self.put_back(key, &part, read)
            }
            _ => Some(part),
        }
    }

    /// Puts what was read from disk in its place in memory; what could not be read goes.
    fn put_back(
        &self,
        key: &Key,
        old: &Arc<Stored>,
        read: Option<Arc<Stored>>,
    ) -> Option<Arc<Stored>> {
        let Some(stored) = read else {
            self.drop_one(key, old);
            return None;
        };
        let mut shard = self.slot(key.hash()).shard.lock();
        let alive = |stored: &Stored| self.tags.alive(&stored.names);
        shard.replace(key, old, Arc::clone(&stored), alive);
        Some(stored)
    }

    /// An answer from its record; one that was purged is dropped.
    fn read(&self, disk: &Arc<Disk>, loaded: Loaded) -> Option<Arc<Stored>> {
        let object = loaded.object;
        let record = record::read(loaded.meta);
        let names = record
            .as_ref()
            .map(|record| self.tags.hashed(loaded.began, record.names.clone()));
        let alive = names.filter(|names| self.tags.alive(names));
        let (Some(record), Some(names)) = (record, alive) else {
            disk.remove(&object);
            return None;
        };
        let body = match record.slices {
            // Slices are read into memory: what does not fit there is of another configuration.
            Some(slices) if slices.size() > self.largest_in_memory as u64 => {
                disk.remove(&object);
                return None;
            }
            Some(slices) => Content::Slices(slices),
            None => Content::Disk(Arc::clone(disk), object),
        };
        Some(Arc::new(Stored::new(
            record.head,
            (body, record.part),
            record.freshness,
            record.selection,
            names,
        )))
    }

    /// Answers with a stored answer. None when it cannot be read: it is dropped.
    pub(super) async fn hand_over(
        &self,
        key: &Key,
        x: &Exchange,
        mut given: Given,
        waited: Option<&'static str>,
    ) -> Option<Served> {
        let Content::Disk(_, object) = &given.stored.body else {
            return Some(self.give(key.hash(), x, &given, waited));
        };
        if object.length() <= self.largest_in_memory as u64 {
            let read = self.read_whole(&given.stored).await;
            given.stored = self.put_back(key, &given.stored, read)?;
            return Some(self.give(key.hash(), x, &given, waited));
        }
        match self.give(key.hash(), x, &given, waited) {
            Ok((parts, body)) => match content::primed(body).await {
                Ok(body) => Some(Ok((parts, body))),
                Err(_) => {
                    self.drop_one(key, &given.stored);
                    None
                }
            },
            Err(error) => Some(Err(error)),
        }
    }

    fn drop_one(&self, key: &Key, stored: &Arc<Stored>) {
        let mut shard = self.slot(key.hash()).shard.lock();
        shard.remove_one(key.as_ref(), stored);
    }

    /// The key's hash on disk.
    pub(super) fn disk_hash(&self, key: &Key) -> u64 {
        self.tags.hash_of(&[key.text()])
    }

    /// Drops what is on disk for a key.
    pub(super) fn drop_on_disk(&self, key: &Key) {
        if let Some(disk) = self.tier.get() {
            let hash = self.disk_hash(key);
            if disk.contains(hash) {
                disk.remove_all(hash);
            }
        }
    }

    /// Writes an answer that has just been stored, later.
    pub(super) fn write_down(&self, key: &Key, request: &http::HeaderMap, stored: &Stored) {
        let Some(disk) = self.tier.get() else { return };
        self.with_record(key, request, stored, |new| match &stored.body {
            Content::Memory(bytes) => {
                disk.put(new, bytes.clone());
            }
            Content::Disk(_, object) => disk.update(object, new.began, new.key, new.meta),
            // Only the head: its slices are objects of their own.
            Content::Slices(_) => {
                disk.put(new, bytes::Bytes::new());
            }
            Content::Filling(..) => {}
        });
        self.tags.compact(disk.oldest());
    }

    /// Which of the answers of a key it is on disk.
    fn disk_variant(&self, selection: &Selection, part: Option<Part>) -> u64 {
        let mut variant = Vec::new();
        selection.append_key(&mut variant);
        let part = part.map_or([0; 16], |part| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&part.first.to_le_bytes());
            bytes[8..].copy_from_slice(&(part.last + 1).to_le_bytes());
            bytes
        });
        self.tags.hash_of(&[&variant, &part])
    }

    fn with_record<T>(
        &self,
        key: &Key,
        request: &http::HeaderMap,
        stored: &Stored,
        act: impl FnOnce(NewObject<'_>) -> T,
    ) -> T {
        let selection = &stored.selection;
        let meta = record::write(
            &stored.head,
            &stored.freshness,
            (stored.part, stored.slices()),
            stored.names.hashes(),
            (selection, request),
        );
        act(NewObject {
            hash: self.disk_hash(key),
            variant: self.disk_variant(selection, stored.part),
            began: stored.names.began(),
            key: key.text(),
            meta: &meta,
        })
    }
}

impl Keep {
    /// Has the disk take over a body on its way; false when it does not.
    pub(super) fn to_disk(&self, filler: &zephyr_store::Filler, expected: Option<u64>) -> bool {
        let Some(disk) = self.cache.tier.get() else {
            return false;
        };
        if expected.is_some_and(|length| length > self.cache.largest) {
            return false;
        }
        let stored = self.stored(Content::Filling(filler.fill(), expected));
        self.cache
            .with_record(&self.key, &self.request, &stored, |new| {
                disk.take_over(filler, new, expected)
            })
    }

    /// Stores the answer, whose body the disk has.
    pub(super) fn store_written(self, object: Object) {
        if let Some(disk) = self.cache.tier.get() {
            let content = Content::Disk(Arc::clone(&disk), object.clone());
            let (_, is_kept) = self.put(content);
            if !is_kept {
                disk.remove(&object);
            }
        }
    }
}

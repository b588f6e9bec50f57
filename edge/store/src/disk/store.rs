//! What goes into the disk tier, and out of it: handed to the writer, which sees to it later.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use bytes::Bytes;

use super::queue::{Order, Put};
use super::{Disk, Inner, MAX_STREAMS, NewObject, Object, format, stats};
use crate::fill::sink::Start;
use crate::fill::{Filler, Shared};

impl Disk {
    /// Stores an object that is whole, later. False when it is not going to be.
    pub fn put(&self, new: NewObject<'_>, body: Bytes) -> bool {
        let start = self.admit(&new, body.len() as u64);
        let stores = start.is_some_and(|start| self.inner.push_put(Put { start, body }));
        if !stores {
            self.inner.forget_variant(new.hash, new.variant);
        }
        stores
    }

    /// Stores an object while it is filled, from what there is of it on. False when it is not going
    /// to be, as with [`Disk::put`]; the body stays in memory then.
    pub fn take_over(&self, filler: &Filler, new: NewObject<'_>, expected: Option<u64>) -> bool {
        let length = expected.unwrap_or(0).max(filler.length());
        let start = self.admit(&new, length);
        let free = self.inner.queue.streams() < MAX_STREAMS;
        if start.is_some() && !free {
            self.inner.dropped();
        }
        let Some(start) = start.filter(|_| free) else {
            self.inner.forget_variant(new.hash, new.variant);
            return false;
        };
        filler.go_to_disk(Arc::clone(&self.inner), start);
        true
    }

    /// Whether an object is worth being written.
    fn admit(&self, new: &NewObject<'_>, length: u64) -> Option<Start> {
        let inner = &self.inner;
        let fits = new.key.len() <= format::MAX_KEY && new.meta.len() <= format::MAX_META;
        if !fits || length > inner.config.largest() {
            return None;
        }
        let before = inner.sketch.lock().add(new.hash);
        let room = inner
            .config
            .max_bytes
            .saturating_sub(inner.counts.bytes.load(Relaxed));
        let is_short = room < length + inner.config.segment_bytes;
        if is_short && before == 0 {
            stats::up(&inner.counts.not_admitted);
            return None;
        }
        if inner.counts.down.load(Relaxed) && !inner.queue.may_try(Instant::now()) {
            stats::up(&inner.counts.dropped);
            return None;
        }
        Some(Start {
            hash: new.hash,
            variant: new.variant,
            began: new.began,
            key: Bytes::copy_from_slice(new.key),
            meta: Bytes::copy_from_slice(new.meta),
        })
    }

    /// Gives an object other metadata, later.
    pub fn update(&self, object: &Object, began: u64, key: &[u8], meta: &[u8]) {
        if key.len() > format::MAX_KEY || meta.len() > format::MAX_META {
            self.remove(object);
            return;
        }
        self.inner.queue.push(Order::Update {
            name: object.name,
            start: Start {
                hash: object.hash,
                variant: 0,
                began,
                key: Bytes::copy_from_slice(key),
                meta: Bytes::copy_from_slice(meta),
            },
        });
    }

    /// Drops an object, for good.
    pub fn remove(&self, object: &Object) {
        self.inner.forget(object.hash, object.name);
    }

    /// Drops all objects of a hash, for good.
    pub fn remove_all(&self, hash: u64) {
        let removed = self.inner.index.lock().remove_all(hash);
        for entry in removed {
            let head = entry.object.head;
            let (variant, id) = (head.variant, head.id);
            self.inner.queue.push(Order::Gone { hash, variant, id });
        }
        // What still waits to be written.
        self.inner.queue.push(Order::RemoveAll(hash));
    }

    /// Drops everything. Must come after a purge of everything that outlives a restart.
    pub fn clear(&self) {
        self.inner.index.lock().clear();
        self.inner.queue.push(Order::Clear);
    }
}

impl Inner {
    pub(super) fn forget(&self, hash: u64, name: u64) {
        let removed = self.index.lock().remove(hash, name);
        if let Some(entry) = removed {
            let (variant, id) = (entry.object.head.variant, entry.object.head.id);
            self.queue.push(Order::Gone { hash, variant, id });
        }
    }

    /// Drops what something newer that is not stored would have taken the place of.
    pub(super) fn forget_variant(&self, hash: u64, variant: u64) {
        let name = self.index.lock().name_of(hash, variant);
        if let Some(name) = name {
            self.forget(hash, name);
        }
    }

    pub(crate) fn dropped(&self) {
        stats::up(&self.counts.dropped);
    }

    fn push_put(&self, put: Put) -> bool {
        let weight = put.weight();
        let pending = self.counts.pending.fetch_add(weight, Relaxed) + weight;
        if pending > self.config.write_buffer || !self.queue.push(Order::Put(put)) {
            self.counts.pending.fetch_sub(weight, Relaxed);
            self.dropped();
            return false;
        }
        true
    }

    /// Has the writer look at a body on its way.
    pub(crate) fn pump(&self, fill: &Arc<Shared>) {
        if fill.queue() && !self.queue.push(Order::Pump(Arc::clone(fill))) {
            fill.unqueue();
            fill.refuse();
        }
    }
}

//! Making room: the oldest segment goes, and what was used of it is written again.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::super::file::DataFile;
use super::super::format::{BLOCK, HEAD, Head, Kind, SUM, sum_of};
use super::super::index::{Found, Place};
use super::super::{scan, stats};
use super::{NO_ROOM, Writer};
use crate::fill::sink::Start;

/// What is written again of one segment, in bytes: it is held in memory for that.
const MAX_KEPT: u64 = 32 << 20;

impl Writer {
    /// Makes room for so many bytes.
    pub(super) fn make_room(&mut self, bytes: u64) -> io::Result<()> {
        let max = self.inner.config.max_bytes;
        while self.inner.counts.bytes.load(Relaxed) + bytes > max {
            if self.sealed.is_empty() && self.open.iter().any(|segment| !segment.rows.is_empty()) {
                for segment in std::mem::take(&mut self.open) {
                    self.seal(segment);
                }
            }
            let Some((file, size)) = self.sealed.pop_front() else {
                return Err(NO_ROOM.into());
            };
            self.evict(&file, size);
        }
        Ok(())
    }

    fn evict(&mut self, file: &Arc<DataFile>, size: u64) {
        let rows = scan::sealed(file, size, self.inner.store);
        let buffer = std::mem::take(&mut self.buffer);
        let mut index = self.inner.index.lock();
        let found = match rows {
            Ok(Some(rows)) => {
                // They stay in the index meanwhile, so that each can still be removed.
                let found = index.all_in(file, &rows);
                drop(index);
                let gone = rows.iter().filter(|(_, head)| head.kind == Kind::Gone);
                let gone = gone.map(|(_, head)| *head).collect::<Vec<_>>();
                self.let_go(file, size);
                gone.iter().for_each(|head| self.keep_gone(head));
                found
            }
            Ok(None) | Err(_) => {
                index.drop_file(file);
                drop(index);
                self.let_go(file, size);
                Vec::new()
            }
        };
        // At most half of what went comes back: there is room in the end.
        let mut left = (size / 2).min(MAX_KEPT);
        for found in found {
            let head = found.object.head;
            let in_file = Arc::ptr_eq(&found.object.file, file);
            if found.used && in_file && head.total() <= left && self.keep(&found).is_ok() {
                left -= head.total();
                stats::up(&self.inner.counts.kept);
                continue;
            }
            let removed = self.inner.index.lock().remove(head.hash, found.name);
            if removed.is_some() {
                stats::up(&self.inner.counts.evicted);
            }
            self.keep_gone(&head);
        }
        self.buffer = buffer;
        self.find_oldest();
    }

    fn let_go(&mut self, file: &Arc<DataFile>, size: u64) {
        self.shrunk(size);
        file.retire();
        self.last_gone = Some(Arc::clone(file));
    }

    /// Notes again that something is gone, as long as there may be an older one of it.
    fn keep_gone(&mut self, head: &Head) {
        let sealed = self.sealed.iter().map(|(file, _)| file);
        let open = self.open.iter().map(|segment| &segment.file);
        let first = sealed
            .chain(open)
            .map(|file| file.first_id.load(Relaxed))
            .min();
        if first.is_none_or(|first| first >= head.id) {
            return;
        }
        let done = self.append_gone(head);
        if done.is_err() {
            self.report(done);
        }
    }

    /// Notes that something is gone.
    fn append_gone(&mut self, head: &Head) -> io::Result<()> {
        let gone = Head {
            kind: Kind::Gone,
            began: u64::MAX,
            body: 0,
            key: 0,
            meta: 0,
            ..*head
        };
        self.buffer.clear();
        self.buffer
            .extend_from_slice(&gone.to_bytes(self.inner.store));
        self.append_here(gone).map(drop)
    }

    /// Writes an object again, in its own place.
    fn keep(&mut self, entry: &Found) -> io::Result<()> {
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "damaged");
        let start = read_start(entry.start()).ok_or_else(damaged)?;
        let old = entry.object.head;
        let from = entry.object.at + old.body_at();
        let stored = (old.total() - old.body_at()) as usize;
        let body = entry.object.file.read(from, stored)?;
        let mut whole = Vec::with_capacity(old.body as usize);
        for (index, block) in (0..).zip(body.chunks(BLOCK + SUM)) {
            let (data, sum) = block.split_last_chunk::<SUM>().ok_or_else(damaged)?;
            if sum_of(old.salt, index, data) != u32::from_le_bytes(*sum) {
                stats::up(&self.inner.counts.read_errors);
                return Err(damaged());
            }
            whole.extend_from_slice(data);
        }
        let start = Start {
            variant: old.variant,
            ..start
        };
        let head = self.head(&start, old.body);
        self.fill_buffer(&head, &start, &whole);
        let place = self.append_here(head)?;
        let is_there = self.inner.index.lock().moved(entry, place);
        if !is_there {
            // It was removed meanwhile, and so must this be, also after a restart.
            self.append_gone(&head)?;
        }
        Ok(())
    }
}

/// Key and metadata of a record.
fn read_start(place: &Place) -> Option<Start> {
    let head = place.head;
    let length = head.body_at() as usize - HEAD;
    let bytes = place.file.read(place.at + HEAD as u64, length).ok()?;
    let (key, meta) = bytes.split_at_checked(head.key as usize)?;
    let whole = super::format::sum_of_start(head.salt, key, meta) == head.sum;
    whole.then(|| Start {
        hash: head.hash,
        variant: head.variant,
        began: head.began,
        key: bytes::Bytes::copy_from_slice(key),
        meta: bytes::Bytes::copy_from_slice(meta),
    })
}

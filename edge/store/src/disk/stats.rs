//! What has happened on disk.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Counts since the start, and what there is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskStats {
    /// Objects that can be found.
    pub objects: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Objects read.
    pub hits: u64,
    /// Objects written.
    pub written: u64,
    /// Bytes written, kept objects of old segments included.
    pub written_bytes: u64,
    /// Objects that went to make room.
    pub evicted: u64,
    /// Objects that were written again because they were used.
    pub kept: u64,
    /// Objects that were not worth the room: asked for once.
    pub not_admitted: u64,
    /// Objects that were not written because the disk did not follow.
    pub dropped: u64,
    /// Writes that failed.
    pub write_errors: u64,
    /// Reads that failed, or gave other bytes than were written.
    pub read_errors: u64,
    /// Bytes that wait to be written.
    pub pending_bytes: u64,
    /// Whether writing has failed lately, and nothing is stored for a while.
    pub is_down: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) bytes: AtomicU64,
    pub(crate) hits: AtomicU64,
    pub(crate) written: AtomicU64,
    pub(crate) written_bytes: AtomicU64,
    pub(crate) evicted: AtomicU64,
    pub(crate) kept: AtomicU64,
    pub(crate) not_admitted: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) write_errors: AtomicU64,
    pub(crate) read_errors: AtomicU64,
    pub(crate) pending: AtomicUsize,
    pub(crate) down: AtomicBool,
}

impl Counts {
    pub(crate) fn stats(&self, objects: usize) -> DiskStats {
        DiskStats {
            objects: objects as u64,
            bytes: self.bytes.load(Relaxed),
            hits: self.hits.load(Relaxed),
            written: self.written.load(Relaxed),
            written_bytes: self.written_bytes.load(Relaxed),
            evicted: self.evicted.load(Relaxed),
            kept: self.kept.load(Relaxed),
            not_admitted: self.not_admitted.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            write_errors: self.write_errors.load(Relaxed),
            read_errors: self.read_errors.load(Relaxed),
            pending_bytes: self.pending.load(Relaxed) as u64,
            is_down: self.down.load(Relaxed),
        }
    }
}

/// Counts one.
pub(crate) fn up(count: &AtomicU64) {
    count.fetch_add(1, Relaxed);
}

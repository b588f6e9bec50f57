//! The disk tier: a log of segments in a folder, and an index of it in memory.
//!
//! An object is one record in one segment ([`format`]). Small ones are written in one piece when they
//! are whole; large ones stream into a segment that is theirs alone for that time, so that a record
//! never has gaps ([`log`]). One thread writes; what waits for it is bounded, and what does not fit is
//! not stored. Bodies are read in blocks whose sums are checked before a byte of them leaves
//! ([`read`]), by threads of their own when the kernel has not got them in memory ([`pool`]).
//!
//! Whole segments go to make room, oldest first; what was used since it was written is written again.
//! When room is short, an object is written only if its key was asked for before lately
//! ([`crate::sketch`]), so that what is asked for once does not wash the rest out.
//!
//! Nothing is synchronised to disk on purpose: what a crash of the machine tears apart does not pass
//! the sums. A crash of the process loses what was not yet handed to the kernel. A write that fails
//! loses its object, and the tier stores nothing for a while ([`DiskConfig::retry`]); it goes on
//! reading.
//!
//! ## Why not foyer
//!
//! `foyer` 0.22 was weighed against this, by its documentation and source. Its disk tier stores a value
//! as a whole, which its `Code` trait writes to and reads from memory: an entry must fit a flusher's
//! buffer (16 MiB by default; larger ones are dropped), and is there once all of it is. A hit of
//! 100 MiB would cost 100 MiB, its first byte would wait for its last, and nobody could follow a value
//! while it is filled; cutting bodies into many entries would leave it to us to keep the pieces
//! together. It knows no names, so purges that outlive a restart had to be built beside it all the
//! same.

mod buffers;
mod config;
pub(crate) mod file;
pub(crate) mod format;
mod index;
mod log;
mod object;
mod open;
mod pool;
mod queue;
mod read;
mod scan;
mod stats;
mod store;

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::sketch::Sketch;
pub use config::{DiskConfig, OpenError};
pub(crate) use format::{BLOCK, HEAD, with_sums};
use index::{Index, Place};
pub use object::{Loaded, NewObject, Object};
use queue::{Order, Queue};
pub use read::{ReadError, Reader};
pub(crate) use read::{Reading, Span};
pub use stats::DiskStats;

/// Bodies that stream to disk at once; others are not stored.
const MAX_STREAMS: usize = 64;

/// The disk tier. Dropped or closed, it ends its segments and lets go of the folder.
#[derive(Debug)]
pub struct Disk {
    inner: Arc<Inner>,
    /// The writer and the lock of the folder, until it is closed.
    open: Mutex<Option<(JoinHandle<()>, Arc<File>)>>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) config: DiskConfig,
    store: u64,
    salts: AtomicU64,
    index: Mutex<Index>,
    pub(crate) counts: stats::Counts,
    sketch: Mutex<Sketch>,
    pool: pool::Pool,
    queue: Queue,
    /// The lowest tick at which the fetch of anything on disk began.
    oldest: AtomicU64,
}

impl Disk {
    /// Whether there is something for this hash. Does not touch the disk.
    #[must_use]
    pub fn contains(&self, hash: u64) -> bool {
        self.inner.index.lock().contains(hash)
    }

    /// The tick at which the fetch of this variant of a hash began, or that of its last update; none when
    /// it is not there. Does not touch the disk.
    #[must_use]
    pub fn began(&self, hash: u64, variant: u64) -> Option<u64> {
        self.inner.index.lock().began(hash, variant)
    }

    /// All objects of a hash, oldest first, without their bodies. Those whose bytes are damaged are
    /// left out, and dropped.
    pub fn load(&self, hash: u64) -> impl Future<Output = Vec<Loaded>> + Send + 'static {
        let inner = Arc::clone(&self.inner);
        let all = inner.index.lock().all_of(hash);
        async move {
            let mut loaded = Vec::with_capacity(all.len());
            for found in all {
                let start = found.start();
                match inner.read_start(start).await {
                    Ok((key, meta)) => loaded.push(Loaded {
                        key,
                        meta,
                        began: start.head.began,
                        variant: found.object.head.variant,
                        object: Object::of(&found.object, found.name),
                    }),
                    Err(error) => inner.read_failed(hash, found.name, &error),
                }
            }
            loaded
        }
    }

    /// Reads a part of a body. None when the object is gone.
    #[must_use]
    pub fn read(&self, object: &Object, part: std::ops::Range<u64>) -> Option<Reader> {
        let file = object.file.upgrade()?;
        self.inner.index.lock().touch(object.hash, object.name);
        stats::up(&self.inner.counts.hits);
        let span = Span {
            file,
            at: object.at,
            salt: object.salt,
        };
        let inner = Arc::clone(&self.inner);
        let name = (object.hash, object.name);
        Some(Reader::new(inner, span, name, object.length, part))
    }

    /// The largest body that is stored, in bytes.
    #[must_use]
    pub fn largest(&self) -> u64 {
        self.inner.config.largest()
    }

    /// Waits until all that was handed over so far is written, or has failed.
    pub async fn flush(&self) {
        let (done, written) = oneshot::channel();
        self.inner.queue.push(Order::Flush(done));
        if written.await.is_err() {
            tracing::debug!("the disk tier was closed while it was flushed");
        }
    }

    /// The lowest tick at which the fetch of anything stored began.
    #[must_use]
    pub fn oldest(&self) -> u64 {
        self.inner.oldest.load(Relaxed)
    }

    /// What has happened, and what there is.
    #[must_use]
    pub fn stats(&self) -> DiskStats {
        let objects = self.inner.index.lock().len();
        self.inner.counts.stats(objects)
    }
}

impl Inner {
    /// Key and metadata of a record.
    pub(super) async fn read_start(&self, place: &Place) -> Result<(Bytes, Bytes), ReadError> {
        let head = &place.head;
        let length = head.body_at() as usize - format::HEAD;
        let at = place.at + format::HEAD as u64;
        let read = self.pool.read(Arc::clone(&place.file), at, length);
        // They stay in memory for long, and must not keep a whole buffer there.
        let mut key = Bytes::copy_from_slice(read.await?.as_ref());
        let meta = key.split_off(head.key as usize);
        if format::sum_of_start(head.salt, &key, &meta) == head.sum {
            return Ok((key, meta));
        }
        Err(ReadError::Damaged {
            path: place.file.path().to_owned(),
            at,
        })
    }

    pub(crate) fn read_failed(&self, hash: u64, name: u64, error: &ReadError) {
        if matches!(error, ReadError::Busy | ReadError::Gone) {
            return;
        }
        stats::up(&self.counts.read_errors);
        tracing::error!(%error, "an object of the cache is dropped: {error}");
        self.forget(hash, name);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.close();
    }
}

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

pub(crate) mod file;
pub(crate) mod format;
mod index;
mod log;
mod pool;
mod queue;
mod read;
mod scan;
mod stats;

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::fill::sink::Start;
use crate::fill::{Filler, Shared};
use crate::hash::Keyed;
use crate::purge::Purges;
use crate::sketch::Sketch;
use file::DataFile;
pub(crate) use format::{BLOCK, HEAD, with_sums};
use index::{Index, Place};
use queue::{Order, Put, Queue};
pub use read::{ReadError, Reader};
pub(crate) use read::{Reading, Span};
pub use stats::DiskStats;

/// Bodies that stream to disk at once; others are not stored.
const MAX_STREAMS: usize = 64;

/// How the disk tier is set up.
#[derive(Clone, Debug)]
pub struct DiskConfig {
    /// The folder; it is made if it is not there.
    pub path: PathBuf,
    /// What all files may take, in bytes.
    pub max_bytes: u64,
    /// A segment is sealed once it has so many bytes.
    pub segment_bytes: u64,
    /// What may wait to be written, in bytes.
    pub write_buffer: usize,
    /// Threads that read.
    pub readers: usize,
    /// How long nothing is written after a write has failed.
    pub retry: Duration,
    /// How long to wait for another process to let go of the folder.
    pub patience: Duration,
}

impl DiskConfig {
    /// The folder and the bytes; the rest as it is best for most.
    #[must_use]
    pub fn new(path: PathBuf, max_bytes: u64) -> Self {
        Self {
            path,
            max_bytes,
            segment_bytes: 64 << 20,
            write_buffer: 32 << 20,
            readers: 4,
            retry: Duration::from_secs(5),
            patience: Duration::from_secs(10),
        }
    }

    /// The largest body that is stored.
    fn largest(&self) -> u64 {
        self.max_bytes / 2
    }
}

/// Why the disk tier cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be used.
    #[error("the cache's folder {path} cannot be used: {source}")]
    Io {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another process has it.
    #[error("the cache's folder {path} is in use by another process")]
    InUse {
        /// The folder.
        path: PathBuf,
    },
}

/// The disk tier. Dropped, it ends its segments and lets go of the folder.
#[derive(Debug)]
pub struct Disk {
    inner: Arc<Inner>,
    thread: Option<JoinHandle<()>>,
    _lock: Arc<File>,
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

/// What to store.
#[derive(Clone, Copy, Debug)]
pub struct NewObject<'a> {
    /// Of the key, under the store's [`Keyed`].
    pub hash: u64,
    /// Which of several objects of the key it is: it takes the place of the one with the same.
    pub variant: u64,
    /// The tick of purges at which its fetch began.
    pub began: u64,
    /// At most 64 KiB.
    pub key: &'a [u8],
    /// At most 256 KiB.
    pub meta: &'a [u8],
}

/// An object that was found.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Its key: a hash alone is not proof.
    pub key: Bytes,
    /// As it was stored.
    pub meta: Bytes,
    /// The tick at which its fetch began, or that of its last update.
    pub began: u64,
    /// Which of several objects of the key it is.
    pub variant: u64,
    /// Its body.
    pub object: Object,
}

/// The body of an object. Cheap to keep: it holds no room on disk, and is gone when the object is.
#[derive(Clone, Debug)]
pub struct Object {
    file: std::sync::Weak<DataFile>,
    at: u64,
    salt: u64,
    length: u64,
    hash: u64,
    id: u64,
}

impl Object {
    fn of(place: &Place) -> Self {
        let head = &place.head;
        Self {
            file: Arc::downgrade(&place.file),
            at: place.at + head.body_at(),
            salt: head.salt,
            length: head.body,
            hash: head.hash,
            id: head.id,
        }
    }

    /// In bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether it can still be read.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.file.upgrade().is_some_and(|file| !file.is_retired())
    }
}

impl Disk {
    /// Opens the folder and reads what is there, and the purges that belong to it: what they do not
    /// know of is removed. This waits for the disk, and for another process to let go of the folder.
    ///
    /// # Errors
    ///
    /// [`OpenError`]
    pub fn open(mut config: DiskConfig) -> Result<(Self, Purges), OpenError> {
        config.segment_bytes = config.segment_bytes.clamp(1, (config.max_bytes / 8).max(1));
        let path = config.path.clone();
        let lock = Arc::new(lock(&config)?);
        let failed = |source| OpenError::Io { path, source };
        Self::start(config, lock).map_err(failed)
    }

    fn start(config: DiskConfig, lock: Arc<File>) -> io::Result<(Self, Purges)> {
        let purges = Purges::open(&config.path, Arc::clone(&lock))?;
        let store = purges.hashes().check();
        let found = scan::scan(&config.path, store)?;
        // What was stored after a purge that is in no journal yet must not be older than the next.
        purges.go_on_from(found.last_tick);
        let salt = Keyed::random().seed()[0];
        let inner = Arc::new(Inner {
            pool: pool::Pool::start(config.readers)?,
            store,
            salts: AtomicU64::new(salt),
            index: Mutex::default(),
            counts: stats::Counts::default(),
            // For objects of 32 KiB and more.
            sketch: Mutex::new(Sketch::new((config.max_bytes >> 15) as usize)),
            queue: Queue::default(),
            oldest: AtomicU64::new(u64::MAX),
            config,
        });
        let writer = log::Writer::new(Arc::clone(&inner), found);
        let thread = std::thread::Builder::new().name("zephyr-write".into());
        let thread = thread.spawn(move || writer.run())?;
        let disk = Self {
            inner,
            thread: Some(thread),
            _lock: lock,
        };
        Ok((disk, purges))
    }

    /// Whether there is something for this hash. Does not touch the disk.
    #[must_use]
    pub fn contains(&self, hash: u64) -> bool {
        self.inner.index.lock().contains(hash)
    }

    /// Whether this variant of a hash is there. Does not touch the disk.
    #[must_use]
    pub fn has(&self, hash: u64, variant: u64) -> bool {
        self.inner.index.lock().id_of(hash, variant).is_some()
    }

    /// All objects of a hash, oldest first, without their bodies. Those whose bytes are damaged are
    /// left out, and dropped.
    pub fn load(&self, hash: u64) -> impl Future<Output = Vec<Loaded>> + Send + 'static {
        let inner = Arc::clone(&self.inner);
        let places = inner.index.lock().all_of(hash);
        async move {
            let mut loaded = Vec::with_capacity(places.len());
            for (object, meta) in places {
                let start = meta.as_ref().unwrap_or(&object);
                match inner.read_start(start).await {
                    Ok((key, meta)) => loaded.push(Loaded {
                        key,
                        meta,
                        began: start.head.began,
                        variant: object.head.variant,
                        object: Object::of(&object),
                    }),
                    Err(error) => inner.read_failed(hash, object.head.id, &error),
                }
            }
            loaded
        }
    }

    /// Reads a part of a body. None when the object is gone.
    #[must_use]
    pub fn read(&self, object: &Object, part: std::ops::Range<u64>) -> Option<Reader> {
        let file = object.file.upgrade()?;
        self.inner.index.lock().touch(object.hash, object.id);
        stats::up(&self.inner.counts.hits);
        let span = Span {
            file,
            at: object.at,
            salt: object.salt,
        };
        let inner = Arc::clone(&self.inner);
        let name = (object.hash, object.id);
        Some(Reader::new(inner, span, name, object.length, part))
    }

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

    /// The largest body that is stored, in bytes.
    #[must_use]
    pub fn largest(&self) -> u64 {
        self.inner.config.largest()
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
            id: object.id,
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
        self.inner.forget(object.hash, object.id);
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

impl Drop for Disk {
    fn drop(&mut self) {
        self.inner.queue.close();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the writer of the cache's disk ended in a panic");
        }
    }
}

impl Inner {
    /// Key and metadata of a record.
    async fn read_start(&self, place: &Place) -> Result<(Bytes, Bytes), ReadError> {
        let head = &place.head;
        let length = head.body_at() as usize - format::HEAD;
        let at = place.at + format::HEAD as u64;
        let read = self.pool.read(Arc::clone(&place.file), at, length);
        let mut key = Bytes::from(read.await?);
        let meta = key.split_off(head.key as usize);
        if format::sum_of_start(head.salt, &key, &meta) == head.sum {
            return Ok((key, meta));
        }
        Err(ReadError::Damaged {
            path: place.file.path().to_owned(),
            at,
        })
    }

    pub(crate) fn read_failed(&self, hash: u64, id: u64, error: &ReadError) {
        if matches!(error, ReadError::Busy | ReadError::Gone) {
            return;
        }
        stats::up(&self.counts.read_errors);
        tracing::error!(%error, "an object of the cache is dropped: {error}");
        self.forget(hash, id);
    }

    fn forget(&self, hash: u64, id: u64) {
        let removed = self.index.lock().remove(hash, id);
        if let Some(entry) = removed {
            let variant = entry.object.head.variant;
            self.queue.push(Order::Gone { hash, variant, id });
        }
    }

    /// Drops what something newer that is not stored would have taken the place of.
    fn forget_variant(&self, hash: u64, variant: u64) {
        let id = self.index.lock().id_of(hash, variant);
        if let Some(id) = id {
            self.forget(hash, id);
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

/// Takes the folder for this process.
fn lock(config: &DiskConfig) -> Result<File, OpenError> {
    let path = &config.path;
    let failed = |source| OpenError::Io {
        path: path.clone(),
        source,
    };
    std::fs::create_dir_all(path).map_err(failed)?;
    let mut options = File::options();
    let options = options.create(true).truncate(false).write(true);
    let file = options.open(path.join("lock")).map_err(failed)?;
    let until = Instant::now() + config.patience;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::Error(error)) => return Err(failed(error)),
            Err(std::fs::TryLockError::WouldBlock) if Instant::now() >= until => {
                return Err(OpenError::InUse { path: path.clone() });
            }
            Err(std::fs::TryLockError::WouldBlock) => {
                std::thread::park_timeout(Duration::from_millis(20));
            }
        }
    }
}

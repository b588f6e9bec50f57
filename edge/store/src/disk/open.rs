//! Opening the disk tier: the folder is one process's, and what is in it is read.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::queue::Queue;
use super::{Disk, DiskConfig, Inner, OpenError, log, pool, read, scan, stats};
use crate::hash::Keyed;
use crate::purge::Purges;
use crate::sketch::Sketch;

impl Disk {
    /// Opens the folder and reads what is there, and the purges that belong to it: what they do not
    /// know of is removed. This waits for the disk, and for another process to let go of the folder.
    ///
    /// # Errors
    ///
    /// [`OpenError`]
    pub fn open(config: DiskConfig) -> Result<(Self, Purges), OpenError> {
        let lock = Arc::new(lock(&config)?);
        let path = config.path.clone();
        let failed = |source| OpenError::Io { path, source };
        let start = || {
            let purges = Purges::open(&config.path, Arc::clone(&lock))?;
            Ok((Self::start(config, lock, &purges)?, purges))
        };
        start().map_err(failed)
    }

    /// As [`Disk::open`], for purges that have gone on without the folder: what they purged meanwhile
    /// is gone from it, too.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; the purges go on as before then.
    pub fn open_for(config: DiskConfig, purges: &Purges) -> Result<Self, OpenError> {
        let lock = Arc::new(lock(&config)?);
        let path = config.path.clone();
        let failed = |source| OpenError::Io { path, source };
        let start = || {
            purges.attach(Arc::clone(&lock))?;
            Self::start(config, lock, purges)
        };
        let started = start();
        if started.is_err() {
            purges.detach();
        }
        started.map_err(failed)
    }

    fn start(mut config: DiskConfig, lock: Arc<File>, purges: &Purges) -> io::Result<Self> {
        config.segment_bytes = config.segment_bytes.clamp(1, (config.max_bytes / 8).max(1));
        let store = purges.hashes().check();
        let found = scan::scan(&config.path, store)?;
        // What was stored after a purge that is in no journal yet must not be older than the next.
        purges.go_on_from(found.last_tick);
        let salt = Keyed::random().seed()[0];
        let inner = Arc::new(Inner {
            pool: pool::Pool::start(config.readers, read::MOST)?,
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
        Ok(Self {
            inner,
            open: Mutex::new(Some((thread, lock))),
        })
    }

    /// Writes what waits to be written, ends the segments and lets go of the folder, but for what its
    /// purges hold of it ([`Purges::detach`]). Nothing is found or stored any more; what is being read
    /// is read to its end. This waits for the disk.
    pub fn close(&self) {
        let Some((thread, lock)) = self.open.lock().take() else {
            return;
        };
        self.inner.queue.close();
        if thread.join().is_err() {
            tracing::error!("the writer of the cache's disk ended in a panic");
        }
        self.inner.index.lock().clear();
        drop(lock);
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

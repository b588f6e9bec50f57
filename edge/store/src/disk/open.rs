//! Opening the disk tier: the folder is one process's, and what is in it is read.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::queue::Queue;
use super::{Disk, DiskConfig, Inner, OpenError, log, pool, scan, stats};
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

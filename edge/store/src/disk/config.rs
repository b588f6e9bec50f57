//! How the disk tier is set up, and why it cannot be.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

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

    /// The largest body that is stored, in bytes.
    #[must_use]
    pub fn largest(&self) -> u64 {
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

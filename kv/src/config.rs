//! Which back end, with what.

use std::path::PathBuf;
use std::sync::Arc;

use crate::{Error, Memory, Redb, Redis, Store, memory, redis};

/// A back end to open.
#[derive(Clone, Debug)]
pub enum Config {
    /// In this process, within bounds.
    Memory(memory::Options),
    /// In a file, which is made when there is none.
    Redb {
        /// The file. Its folder must exist.
        path: PathBuf,
    },
    /// On a server.
    Redis(redis::Options),
}

impl Default for Config {
    fn default() -> Self {
        Self::Memory(memory::Options::default())
    }
}

impl Config {
    /// Opens the back end. Must be called within a tokio runtime, which has to outlive the store:
    /// the Redis connection is driven by it.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the configuration is wrong, [`Error::Unavailable`] when a file cannot
    /// be opened or is in use, [`Error::Corrupt`] when it is not a store. A Redis server that is
    /// away is no error here: calls fail until it is there.
    pub async fn open(self) -> Result<Arc<dyn Store>, Error> {
        Ok(match self {
            Self::Memory(options) => Arc::new(Memory::new(options)),
            Self::Redb { path } => Arc::new(Redb::open(path).await?),
            Self::Redis(options) => Arc::new(Redis::connect(options)?),
        })
    }
}

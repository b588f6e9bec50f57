//! Keys and values in one file: they survive the process, and a crash of it.
//!
//! One thread writes. It takes all writes that wait, up to a bound, into one transaction and
//! answers them when it is on disk, so that many callers share one flush. Reads run beside it on
//! the runtime's blocking threads and see the last committed state.

mod open;
mod tables;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redb::{Database, ReadableDatabase};
use tokio::sync::oneshot;

use crate::clock::{self, Clock, Wall};
use crate::{Error, Page, Store, bounds};
use tables::{KEYS, failed};
use writer::{Job, Write, Writer, Written};

/// Keys and values in one file.
pub struct Redb {
    path: PathBuf,
    writer: Writer,
    database: Arc<Database>,
    clock: Arc<dyn Clock>,
}

impl Redb {
    /// Opens a file, or makes it. Only one process, and one store in it, may have it open.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when it cannot be opened or is in use, [`Error::Corrupt`] when it is
    /// not a store of this kind.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::open_with_clock(path, Wall).await
    }

    /// As [`open`](Self::open), with this clock.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn open_with_clock(
        path: impl AsRef<Path>,
        clock: impl Clock + 'static,
    ) -> Result<Self, Error> {
        let path = path.as_ref().to_owned();
        let opened = path.clone();
        let database = Arc::new(blocking(move || open::database(&opened)).await?);
        let clock: Arc<dyn Clock> = Arc::new(clock);
        let writer = Writer::start(Arc::clone(&database), Arc::clone(&clock))?;
        Ok(Self {
            path,
            writer,
            database,
            clock,
        })
    }

    /// Removes everything that has expired, and answers how much that was. Writes remove a little of
    /// it on their way, so this is for a store that is no longer written to.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] or [`Error::Corrupt`].
    pub async fn sweep(&self) -> Result<usize, Error> {
        match self.write(Write::Sweep).await? {
            Written::Swept(count) => Ok(count),
            other => Err(mismatch(&other)),
        }
    }

    async fn write(&self, write: Write) -> Result<Written, Error> {
        let (done, answer) = oneshot::channel();
        self.writer.send(Job { write, done }).await?;
        answer
            .await
            .map_err(|source| Error::unavailable("the writing thread is gone", source))?
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&tables::Keys, u64) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let database = Arc::clone(&self.database);
        let now = clock::millis(self.clock.now());
        blocking(move || {
            let transaction = database.begin_read().map_err(failed)?;
            read(&transaction.open_table(KEYS).map_err(failed)?, now)
        })
        .await
    }
}

#[async_trait]
impl Store for Redb {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        bounds::key(key)?;
        let key = key.to_owned();
        self.read(move |keys, now| Ok(tables::live(keys, &key, now)?.map(|(value, _)| value)))
            .await
    }

    async fn set(&self, key: &str, value: Bytes, ttl: Option<Duration>) -> Result<(), Error> {
        bounds::key(key)?;
        bounds::value(&value)?;
        let ttl = bounds::ttl(ttl)?;
        self.write(Write::Set {
            key: key.into(),
            expected: None,
            value,
            ttl,
        })
        .await?;
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<bool, Error> {
        bounds::key(key)?;
        match self.write(Write::Delete { key: key.into() }).await? {
            Written::Done(there) => Ok(there),
            other => Err(mismatch(&other)),
        }
    }

    async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<bool, Error> {
        bounds::key(key)?;
        bounds::value(&value)?;
        let ttl = bounds::ttl(ttl)?;
        let expected = Some(expected.map(Bytes::copy_from_slice));
        match self
            .write(Write::Set {
                key: key.into(),
                expected,
                value,
                ttl,
            })
            .await?
        {
            Written::Done(set) => Ok(set),
            other => Err(mismatch(&other)),
        }
    }

    async fn increment(&self, key: &str, by: i64, ttl: Option<Duration>) -> Result<i64, Error> {
        bounds::key(key)?;
        let ttl = bounds::ttl(ttl)?;
        match self
            .write(Write::Increment {
                key: key.into(),
                by,
                ttl,
            })
            .await?
        {
            Written::Sum(sum) => Ok(sum),
            other => Err(mismatch(&other)),
        }
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Page, Error> {
        bounds::page(prefix, after, limit)?;
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        self.read(move |keys, now| tables::list(keys, &prefix, after.as_deref(), limit, now))
            .await
    }
}

impl fmt::Debug for Redb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redb")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

fn mismatch(written: &Written) -> Error {
    Error::corrupt_value(format!(
        "the writing thread answered {written:?} to another question"
    ))
}

/// Runs what waits for the disk on a thread that may wait.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|source| Error::unavailable("a thread for the key-value store failed", source))?
}

#[cfg(test)]
mod tests;

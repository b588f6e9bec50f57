//! The one thread that writes.

use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use redb::{Database, ReadableTable, Table};
use tokio::sync::{mpsc, oneshot};

use super::tables::{EXPIRIES, KEYS, NEVER, encode, failed, live, stored};
use crate::clock::{self, Clock};
use crate::{Error, counter};

/// Writes that wait; past it, callers wait to be allowed to wait.
const QUEUE: usize = 1024;
/// Writes in one transaction.
const BATCH: usize = 256;
/// Expired values that a transaction clears away for each write in it. Above one, so that they
/// cannot pile up.
const SWEEP_PER_WRITE: usize = 4;

/// A write, and whom to tell.
pub(super) struct Job {
    pub(super) write: Write,
    pub(super) done: oneshot::Sender<Result<Written, Error>>,
}

/// What to write.
pub(super) enum Write {
    /// Sets a key; when `expected` is given, only if that is what is there.
    Set {
        key: String,
        expected: Option<Option<Bytes>>,
        value: Bytes,
        ttl: Option<u64>,
    },
    Delete {
        key: String,
    },
    Increment {
        key: String,
        by: i64,
        ttl: Option<u64>,
    },
    Sweep,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Written {
    /// Whether a key was set, or was there to be deleted.
    Done(bool),
    Sum(i64),
    Swept(usize),
}

/// The way to the thread. Dropping it waits until all that was sent is on disk and the thread has
/// let go of the file, so that the file can be opened again at once.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(database: Arc<Database>, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("zephyr-kv".into())
            .spawn(move || run(&database, &*clock, receiver))
            .map_err(|source| Error::unavailable("no thread for the key-value file", source))?;
        Ok(Self {
            jobs: Some(sender),
            thread: Some(thread),
        })
    }

    pub(super) async fn send(&self, job: Job) -> Result<(), Error> {
        let gone = || Error::Unavailable {
            message: "the writing thread is gone".into(),
            source: None,
        };
        self.jobs
            .as_ref()
            .ok_or_else(gone)?
            .send(job)
            .await
            .map_err(|_| gone())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("The thread that writes the key-value file panicked");
        }
    }
}

fn run(database: &Database, clock: &dyn Clock, mut jobs: mpsc::Receiver<Job>) {
    let mut batch = Vec::new();
    while jobs.blocking_recv_many(&mut batch, BATCH) > 0 {
        let (writes, callers): (Vec<_>, Vec<_>) =
            batch.drain(..).map(|job| (job.write, job.done)).unzip();
        // A caller that has gone away is no error; its write stands.
        match transact(database, clock::millis(clock.now()), &writes) {
            Ok(answers) => {
                for (done, answer) in callers.into_iter().zip(answers) {
                    drop(done.send(answer));
                }
            }
            Err(error) => {
                tracing::error!("The key-value file was not written: {error}");
                let message = error.to_string();
                for done in callers {
                    let error = Error::Unavailable {
                        message: message.clone(),
                        source: None,
                    };
                    drop(done.send(Err(error)));
                }
            }
        }
    }
}

/// Applies writes in one transaction. A write that is refused changes nothing and leaves the others
/// alone; an error of the file undoes them all.
fn transact(
    database: &Database,
    now: u64,
    writes: &[Write],
) -> Result<Vec<Result<Written, Error>>, Error> {
    let transaction = database.begin_write().map_err(failed)?;
    let mut answers = Vec::with_capacity(writes.len());
    {
        let mut tables = Tables {
            keys: transaction.open_table(KEYS).map_err(failed)?,
            expiries: transaction.open_table(EXPIRIES).map_err(failed)?,
            now,
        };
        for write in writes {
            match tables.apply(write) {
                Err(error @ (Error::Unavailable { .. } | Error::Corrupt { .. })) => {
                    return Err(error);
                }
                answer => answers.push(answer),
            }
        }
        tables.sweep(writes.len() * SWEEP_PER_WRITE)?;
    }
    transaction.commit().map_err(failed)?;
    Ok(answers)
}

struct Tables<'a> {
    keys: Table<'a, &'static str, &'static [u8]>,
    expiries: Table<'a, (u64, &'static str), ()>,
    now: u64,
}

impl Tables<'_> {
    fn apply(&mut self, write: &Write) -> Result<Written, Error> {
        match write {
            Write::Set {
                key,
                expected,
                value,
                ttl,
            } => {
                if let Some(expected) = expected {
                    let found = live(&self.keys, key, self.now)?.map(|(value, _)| value);
                    if found != *expected {
                        return Ok(Written::Done(false));
                    }
                }
                self.put(key, value, self.expiry(*ttl))?;
                Ok(Written::Done(true))
            }
            Write::Delete { key } => {
                let there = live(&self.keys, key, self.now)?.is_some();
                self.remove(key)?;
                Ok(Written::Done(there))
            }
            Write::Increment { key, by, ttl } => {
                let old = live(&self.keys, key, self.now)?;
                let sum = counter::add(old.as_ref().map(|(value, _)| &value[..]), *by)?;
                let expires = old.map_or_else(|| self.expiry(*ttl), |(_, expires)| expires);
                self.put(key, sum.to_string().as_bytes(), expires)?;
                Ok(Written::Sum(sum))
            }
            Write::Sweep => Ok(Written::Swept(self.sweep(usize::MAX)?)),
        }
    }

    fn expiry(&self, ttl: Option<u64>) -> u64 {
        ttl.map_or(NEVER, |ttl| self.now.saturating_add(ttl))
    }

    fn put(&mut self, key: &str, value: &[u8], expires: u64) -> Result<(), Error> {
        self.forget_expiry(key)?;
        if expires != NEVER {
            self.expiries.insert((expires, key), ()).map_err(failed)?;
        }
        self.keys
            .insert(key, &encode(value, expires)[..])
            .map_err(failed)?;
        Ok(())
    }

    fn remove(&mut self, key: &str) -> Result<(), Error> {
        self.forget_expiry(key)?;
        self.keys.remove(key).map_err(failed)?;
        Ok(())
    }

    fn forget_expiry(&mut self, key: &str) -> Result<(), Error> {
        if let Some((_, expires)) = stored(&self.keys, key)?
            && expires != NEVER
        {
            self.expiries.remove((expires, key)).map_err(failed)?;
        }
        Ok(())
    }

    /// Removes up to `most` expired values, the oldest first.
    fn sweep(&mut self, most: usize) -> Result<usize, Error> {
        let mut swept = 0;
        while swept < most {
            let first = self.expiries.first().map_err(failed)?.map(|(entry, _)| {
                let (expires, key) = entry.value();
                (expires, key.to_owned())
            });
            let Some((expires, key)) = first else { break };
            if self.now < expires {
                break;
            }
            self.remove(&key)?;
            swept += 1;
        }
        Ok(swept)
    }
}

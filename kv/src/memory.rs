//! Keys and values in this process: sharded, ordered, with times to live, and bounded.
//!
//! Expired values go when their shard is written to, a few at a time, and all at once when a bound
//! is reached. When that frees nothing, the write is refused: a store that threw away live values
//! to make room would lose locks and counters in silence.

mod quota;
mod shard;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;

use crate::clock::{self, Clock, Steady};
use crate::{Error, Page, Store, bounds, counter};
use quota::{Exhausted, Quota};
use shard::{Entry, Shard};

/// A power of two well above the number of cores, so that two threads rarely want the same lock.
const SHARDS: usize = 64;

/// How much a [`Memory`] may hold.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The most keys.
    pub max_entries: usize,
    /// The most bytes of keys and values, with an estimate of what keeping them costs.
    pub max_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_entries: 1_000_000,
            max_bytes: 256 * 1024 * 1024,
        }
    }
}

/// Keys and values in this process.
pub struct Memory {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    quota: Quota,
    clock: Box<dyn Clock>,
}

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self::with_clock(options, Steady::default())
    }

    /// An empty store that tells the time by this clock.
    #[must_use]
    pub fn with_clock(options: Options, clock: impl Clock + 'static) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            quota: Quota::new(options),
            clock: Box::new(clock),
        }
    }

    /// How many keys are held, those included that have expired but are not yet gone.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.quota.entries()
    }

    /// How many bytes they take, by the same estimate as [`Options::max_bytes`].
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.quota.bytes()
    }

    fn now(&self) -> u64 {
        clock::millis(self.clock.now())
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "only the low bits choose a shard"
    )]
    fn shard(&self, key: &str) -> &Mutex<Shard> {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }

    /// Runs a write under the key's lock; when a bound stops it, once more after everything that
    /// has expired is gone.
    fn write<T>(
        &self,
        key: &str,
        mut attempt: impl FnMut(&mut Shard, u64) -> Result<T, Stop>,
    ) -> Result<T, Error> {
        let mut swept = false;
        loop {
            let now = self.now();
            let outcome = {
                let mut shard = self.shard(key).lock();
                shard.expire_some(now, &self.quota);
                attempt(&mut shard, now)
            };
            match outcome {
                Ok(answer) => return Ok(answer),
                Err(Stop::Exhausted(_)) if !swept => {
                    for shard in &self.shards {
                        shard.lock().expire_all(now, &self.quota);
                    }
                    swept = true;
                }
                Err(Stop::Exhausted(Exhausted(what))) => return Err(Error::Full(what)),
                Err(Stop::Refused(error)) => return Err(error),
            }
        }
    }
}

/// Why a write did not happen.
enum Stop {
    /// A bound is reached.
    Exhausted(Exhausted),
    /// The value there does not allow it.
    Refused(Error),
}

impl From<Exhausted> for Stop {
    fn from(exhausted: Exhausted) -> Self {
        Self::Exhausted(exhausted)
    }
}

#[async_trait]
impl Store for Memory {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        bounds::key(key)?;
        let now = self.now();
        Ok(self
            .shard(key)
            .lock()
            .live(key, now)
            .map(|entry| entry.value.clone()))
    }

    async fn set(&self, key: &str, value: Bytes, ttl: Option<Duration>) -> Result<(), Error> {
        bounds::key(key)?;
        bounds::value(&value)?;
        let ttl = bounds::ttl(ttl)?;
        self.write(key, |shard, now| {
            shard.put(key, Entry::new(value.clone(), now, ttl), &self.quota)?;
            Ok(())
        })
    }

    async fn delete(&self, key: &str) -> Result<bool, Error> {
        bounds::key(key)?;
        let now = self.now();
        Ok(self
            .shard(key)
            .lock()
            .take(key, &self.quota)
            .is_some_and(|entry| entry.is_live(now)))
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
        self.write(key, |shard, now| {
            if shard.live(key, now).map(|entry| &entry.value[..]) != expected {
                return Ok(false);
            }
            shard.put(key, Entry::new(value.clone(), now, ttl), &self.quota)?;
            Ok(true)
        })
    }

    async fn increment(&self, key: &str, by: i64, ttl: Option<Duration>) -> Result<i64, Error> {
        bounds::key(key)?;
        let ttl = bounds::ttl(ttl)?;
        self.write(key, |shard, now| {
            let old = shard.live(key, now);
            let sum = counter::add(old.map(|entry| &entry.value[..]), by).map_err(Stop::Refused)?;
            let text = Bytes::from(sum.to_string());
            let entry = match old {
                Some(old) => Entry {
                    value: text,
                    expires: old.expires,
                },
                None => Entry::new(text, now, ttl),
            };
            shard.put(key, entry, &self.quota)?;
            Ok(sum)
        })
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Page, Error> {
        bounds::page(prefix, after, limit)?;
        let now = self.now();
        let mut keys = Vec::new();
        for shard in &self.shards {
            shard.lock().list(prefix, after, limit + 1, now, &mut keys);
        }
        // Each shard gave its own first ones, so the first of all are among them.
        keys.sort_unstable();
        Ok(Page::of_one_more(keys, limit))
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("entries", &self.entries())
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

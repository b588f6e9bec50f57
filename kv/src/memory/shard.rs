//! One shard: ordered keys, and beside them the order in which they expire.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::quota::{Exhausted, Quota};

/// What a key costs beside its bytes and its value's: tree nodes, counts and pointers, measured at
/// about 150 bytes and rounded up.
const OVERHEAD: usize = 192;

/// How many expired values a write clears away. Above one, so that they cannot pile up.
const EXPIRE_AT_ONCE: usize = 4;

pub(super) struct Entry {
    pub(super) value: Bytes,
    /// In milliseconds since the epoch; the value is gone from then on.
    pub(super) expires: Option<u64>,
}

impl Entry {
    pub(super) fn new(value: Bytes, now: u64, ttl: Option<u64>) -> Self {
        Self {
            value,
            expires: ttl.map(|ttl| now.saturating_add(ttl)),
        }
    }

    pub(super) fn is_live(&self, now: u64) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }

    fn cost(&self, key: &str) -> usize {
        key.len() + self.value.len() + OVERHEAD
    }
}

#[derive(Default)]
pub(super) struct Shard {
    entries: BTreeMap<Arc<str>, Entry>,
    expiries: BTreeSet<(u64, Arc<str>)>,
}

impl Shard {
    pub(super) fn live(&self, key: &str, now: u64) -> Option<&Entry> {
        self.entries.get(key).filter(|entry| entry.is_live(now))
    }

    pub(super) fn put(&mut self, key: &str, entry: Entry, quota: &Quota) -> Result<(), Exhausted> {
        let old = self.entries.get(key).map(|old| old.cost(key));
        quota.exchange(old, entry.cost(key))?;
        // A value that is a slice of a large buffer would keep all of it alive.
        let entry = Entry {
            value: Bytes::copy_from_slice(&entry.value),
            ..entry
        };
        let name = match self.entries.remove_entry(key) {
            Some((name, old)) => {
                if let Some(expires) = old.expires {
                    self.expiries.remove(&(expires, Arc::clone(&name)));
                }
                name
            }
            None => Arc::from(key),
        };
        if let Some(expires) = entry.expires {
            self.expiries.insert((expires, Arc::clone(&name)));
        }
        self.entries.insert(name, entry);
        Ok(())
    }

    pub(super) fn take(&mut self, key: &str, quota: &Quota) -> Option<Entry> {
        let (name, entry) = self.entries.remove_entry(key)?;
        quota.release(entry.cost(key));
        if let Some(expires) = entry.expires {
            self.expiries.remove(&(expires, name));
        }
        Some(entry)
    }

    pub(super) fn expire_some(&mut self, now: u64, quota: &Quota) {
        for _ in 0..EXPIRE_AT_ONCE {
            if !self.expire_one(now, quota) {
                break;
            }
        }
    }

    pub(super) fn expire_all(&mut self, now: u64, quota: &Quota) {
        while self.expire_one(now, quota) {}
    }

    fn expire_one(&mut self, now: u64, quota: &Quota) -> bool {
        let Some((expires, key)) = self.expiries.first() else {
            return false;
        };
        if now < *expires {
            return false;
        }
        let key = Arc::clone(key);
        self.take(&key, quota).is_some()
    }

    /// Adds the first `count` live keys of this shard that begin with `prefix` and come after
    /// `after`.
    pub(super) fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        count: usize,
        now: u64,
        keys: &mut Vec<String>,
    ) {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let found = self
            .entries
            .range::<str, _>((from, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .filter(|(_, entry)| entry.is_live(now))
            .take(count);
        keys.extend(found.map(|(key, _)| key.to_string()));
    }
}

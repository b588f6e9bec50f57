//! One shard of the store: a table, and who has to go when it is full.
//!
//! Eviction is S3-FIFO (Yang, Zhang, Qiu, Yue, Vinayak, "FIFO queues are all you need for cache
//! eviction", SOSP 2023): a small queue for what is new, where what is asked for once goes out again
//! soon, a main queue for what was asked for again, and a list of keys that went lately, which go
//! into the main queue when they come back. A scan cannot push out what is popular, and a hit moves
//! nothing: it counts up one byte of the entry it has found anyway.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use hashbrown::HashTable;
use http::{HeaderMap, Method};

use super::key::{BuildHashed, Key, KeyRef};
use super::stored::Stored;

/// Share of the bytes for the small queue, in percent.
const SMALL_PERCENT: usize = 10;
/// What an entry costs beside its key and its answers: its place in the table, in a queue, and its
/// hash among those that went.
const ENTRY: usize = 160;
/// Uses counted between two looks of eviction.
const MAX_USES: u8 = 3;

#[derive(Debug)]
pub(super) struct Shard {
    budget: usize,
    max_variants: usize,
    table: HashTable<Entry>,
    small: VecDeque<Place>,
    main: VecDeque<Place>,
    /// Hashes of keys that left the small queue, oldest first.
    ghosts: VecDeque<u64>,
    ghost_set: HashSet<u64, BuildHashed>,
    bytes: usize,
    small_bytes: usize,
    tickets: u64,
    /// How many answers purges had met when this shard was last swept.
    swept_at: usize,
}

#[derive(Debug)]
struct Entry {
    key: Key,
    variants: Vec<Arc<Stored>>,
    size: usize,
    queue: Queue,
    /// Its place in the queue has the same; other places of its key are left-overs.
    ticket: u64,
    /// How often it was used since eviction last looked.
    uses: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Queue {
    Small,
    Main,
}

#[derive(Debug)]
struct Place {
    key: Key,
    ticket: u64,
}

/// What a look-up finds.
#[derive(Debug)]
pub(super) enum Found {
    /// The answer for this request.
    Hit(Arc<Stored>),
    /// The latest answer for this request that is a part, and not the part that is asked for.
    Part(Arc<Stored>),
    /// Answers for other requests, the latest first.
    Other(Vec<Arc<Stored>>),
    /// Nothing.
    Nothing,
}

impl Entry {
    fn measure(&mut self) {
        let answers: usize = self.variants.iter().map(|stored| stored.size()).sum();
        self.size = ENTRY + self.key.size() + answers;
    }
}

impl Shard {
    pub(super) fn new(budget: usize, max_variants: usize) -> Self {
        Self {
            budget,
            max_variants: max_variants.max(1),
            table: HashTable::new(),
            small: VecDeque::new(),
            main: VecDeque::new(),
            ghosts: VecDeque::new(),
            ghost_set: HashSet::default(),
            bytes: 0,
            small_bytes: 0,
            tickets: 0,
            swept_at: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The answer for a request. `alive` tells whether one was purged; such are dropped.
    pub(super) fn find(
        &mut self,
        key: KeyRef<'_>,
        method: &Method,
        request: &HeaderMap,
        alive: impl Fn(&Stored) -> bool,
    ) -> Found {
        let same = |entry: &Entry| entry.key.as_ref() == key;
        let Some(entry) = self.table.find_mut(key.hash, same) else {
            return Found::Nothing;
        };
        // The latest comes last; it is the one to prefer when several match (RFC 9111, section 4.1).
        let mut part = None;
        for stored in entry.variants.iter().rev() {
            if !stored.selection.matches(request) || !alive(stored) {
                continue;
            }
            if stored.has(method, request) {
                entry.uses = (entry.uses + 1).min(MAX_USES);
                return Found::Hit(Arc::clone(stored));
            }
            if part.is_none() {
                part = Some(Arc::clone(stored));
            }
        }
        if let Some(stored) = part {
            return Found::Part(stored);
        }
        self.retain(key, alive);
        let entry = self.table.find(key.hash, same);
        entry.map_or(Found::Nothing, |entry| {
            Found::Other(entry.variants.iter().rev().map(Arc::clone).collect())
        })
    }

    /// Stores an answer; it takes the place of those for the same requests, but for other parts. Tells whether there is
    /// room for it.
    pub(super) fn insert(
        &mut self,
        key: &Key,
        stored: Arc<Stored>,
        request: &HeaderMap,
        alive: impl Fn(&Stored) -> bool,
    ) -> bool {
        self.retain(key.as_ref(), |old| {
            !old.selection.matches(request) || old.stays_beside(&stored)
        });
        if ENTRY + key.size() + stored.size() > self.budget {
            return false;
        }
        let (hash, probe) = (key.hash(), key.as_ref());
        let same = |entry: &Entry| entry.key.as_ref() == probe;
        let (before, after, queue) = if let Some(entry) = self.table.find_mut(hash, same) {
            let before = entry.size;
            if entry.variants.len() >= self.max_variants {
                entry.variants.remove(0);
            }
            entry.variants.push(stored);
            entry.measure();
            (before, entry.size, entry.queue)
        } else {
            let queue = if self.ghost_set.contains(&hash) {
                Queue::Main
            } else {
                Queue::Small
            };
            self.tickets += 1;
            let mut entry = Entry {
                key: key.clone(),
                variants: vec![stored],
                size: 0,
                queue,
                ticket: self.tickets,
                uses: 0,
            };
            entry.measure();
            let size = entry.size;
            self.table
                .insert_unique(hash, entry, |entry| entry.key.hash());
            self.enqueue(queue, key.clone(), self.tickets);
            (0, size, queue)
        };
        self.account(before, after, queue);
        self.evict(&alive);
        self.tidy();
        true
    }

    /// Drops the answers for this request.
    pub(super) fn remove(&mut self, key: KeyRef<'_>, request: &HeaderMap) {
        self.retain(key, |stored| !stored.selection.matches(request));
    }

    /// Drops everything; tells how many keys that were.
    pub(super) fn clear(&mut self) -> usize {
        let entries = self.table.len();
        self.table.clear();
        self.small.clear();
        self.main.clear();
        (self.bytes, self.small_bytes) = (0, 0);
        entries
    }

    /// Frees what was purged, once that may be a good part of the shard. `met` is how many answers
    /// purges have met in `shards` shards so far.
    pub(super) fn sweep(&mut self, met: usize, shards: usize, alive: impl Fn(&Stored) -> bool) {
        let dead = met.wrapping_sub(self.swept_at) / shards;
        if dead <= self.table.len() / 4 + 64 {
            return;
        }
        self.swept_at = met;
        let (mut bytes, mut small_bytes) = (0, 0);
        self.table.retain(|entry| {
            entry.variants.retain(|stored| alive(stored));
            if entry.variants.is_empty() {
                return false;
            }
            entry.measure();
            bytes += entry.size;
            if entry.queue == Queue::Small {
                small_bytes += entry.size;
            }
            true
        });
        (self.bytes, self.small_bytes) = (bytes, small_bytes);
        self.tidy();
    }

    fn enqueue(&mut self, queue: Queue, key: Key, ticket: u64) {
        let places = match queue {
            Queue::Small => &mut self.small,
            Queue::Main => &mut self.main,
        };
        places.push_back(Place { key, ticket });
    }

    fn account(&mut self, before: usize, after: usize, queue: Queue) {
        self.bytes = self.bytes + after - before;
        if queue == Queue::Small {
            self.small_bytes = self.small_bytes + after - before;
        }
    }

    /// Drops the answers of a key that are not to be kept.
    fn retain(&mut self, key: KeyRef<'_>, keep: impl Fn(&Stored) -> bool) {
        let found = self
            .table
            .find_entry(key.hash, |entry| entry.key.as_ref() == key);
        let Ok(mut found) = found else {
            return;
        };
        let entry = found.get_mut();
        let (before, count, queue) = (entry.size, entry.variants.len(), entry.queue);
        entry.variants.retain(|stored| keep(stored));
        if entry.variants.len() == count {
            return;
        }
        // Its place in a queue stays, and is skipped when its turn comes.
        let after = if entry.variants.is_empty() {
            found.remove();
            0
        } else {
            entry.measure();
            entry.size
        };
        self.account(before, after, queue);
    }

    fn evict(&mut self, alive: &impl Fn(&Stored) -> bool) {
        while self.bytes > self.budget {
            let share = self.budget / 100 * SMALL_PERCENT;
            let queue = if self.small_bytes > share || self.main.is_empty() {
                Queue::Small
            } else {
                Queue::Main
            };
            let places = match queue {
                Queue::Small => &mut self.small,
                Queue::Main => &mut self.main,
            };
            match places.pop_front() {
                Some(place) => self.judge(place, queue, alive),
                None if self.small.is_empty() && self.main.is_empty() => return,
                None => {}
            }
        }
    }

    /// What becomes of the entry whose turn has come.
    fn judge(&mut self, place: Place, queue: Queue, alive: &impl Fn(&Stored) -> bool) {
        let hash = place.key.hash();
        let found = self
            .table
            .find_entry(hash, |entry| entry.ticket == place.ticket);
        let Ok(mut found) = found else {
            return;
        };
        let entry = found.get_mut();
        let used = entry.uses > 0 && entry.variants.iter().any(|stored| alive(stored));
        if !used {
            let (entry, _) = found.remove();
            self.account(entry.size, 0, queue);
            if queue == Queue::Small {
                self.remember(hash);
            }
            return;
        }
        entry.queue = Queue::Main;
        match queue {
            Queue::Small => {
                entry.uses = 0;
                self.small_bytes -= entry.size;
            }
            Queue::Main => entry.uses -= 1,
        }
        self.main.push_back(place);
    }

    fn remember(&mut self, hash: u64) {
        if self.ghost_set.insert(hash) {
            self.ghosts.push_back(hash);
        }
        // As many as there are entries.
        while self.ghosts.len() > self.table.len() + 16
            && let Some(old) = self.ghosts.pop_front()
        {
            self.ghost_set.remove(&old);
        }
    }

    /// Removes places that entries have left behind, when they are many.
    fn tidy(&mut self) {
        if self.small.len() + self.main.len() <= 2 * self.table.len() + 64 {
            return;
        }
        let table = &self.table;
        let current = |place: &Place| {
            let same = |entry: &Entry| entry.ticket == place.ticket;
            table.find(place.key.hash(), same).is_some()
        };
        self.small.retain(current);
        self.main.retain(current);
    }

    /// Adds up again what is accounted for.
    #[cfg(test)]
    pub(super) fn recount(&self) -> usize {
        self.table
            .iter()
            .map(|entry| {
                let answers: usize = entry.variants.iter().map(|stored| stored.size()).sum();
                ENTRY + entry.key.size() + answers
            })
            .sum()
    }
}

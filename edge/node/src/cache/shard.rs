//! One shard of the store: a map, and who has to go when it is full.
//!
//! Eviction is S3-FIFO (Yang, Zhang, Qiu, Yue, Vinayak, "FIFO queues are all you need for cache
//! eviction", SOSP 2023): a small queue for what is new, where what is asked for once goes out again
//! soon, a main queue for what was asked for twice, and a list of keys that went lately, which go
//! into the main queue when they come again. A hit moves nothing and so needs no more than the
//! shard's lock for a look-up.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;

use super::flight::Flight;
use super::key::{BuildHashed, Key};
use super::stored::Stored;

/// Share of the bytes for the small queue, in percent.
const SMALL_PERCENT: usize = 10;
/// Keys remembered as not storable.
const MAX_PASSES: usize = 1024;

#[derive(Debug)]
pub(super) struct Shard {
    budget: usize,
    max_variants: usize,
    entries: HashMap<Key, Entry, BuildHashed>,
    small: VecDeque<Key>,
    main: VecDeque<Key>,
    /// Hashes of keys that left the small queue, oldest first.
    ghosts: VecDeque<u64>,
    ghost_set: HashSet<u64>,
    bytes: usize,
    small_bytes: usize,
    /// Fetches on their way.
    pub(super) flights: HashMap<Key, Arc<Flight>, BuildHashed>,
    /// Keys whose answer could not be stored, and until when nobody waits for one.
    passes: HashMap<Key, Instant, BuildHashed>,
}

#[derive(Debug)]
struct Entry {
    variants: Vec<Arc<Stored>>,
    size: usize,
    in_main: bool,
}

/// What a look-up finds.
#[derive(Debug)]
pub(super) enum Found {
    /// The answer for this request.
    Hit(Arc<Stored>),
    /// Answers, but for other requests.
    OtherVariants,
    /// Nothing.
    Nothing,
}

impl Shard {
    pub(super) fn new(budget: usize, max_variants: usize) -> Self {
        Self {
            budget,
            max_variants,
            entries: HashMap::default(),
            small: VecDeque::new(),
            main: VecDeque::new(),
            ghosts: VecDeque::new(),
            ghost_set: HashSet::new(),
            bytes: 0,
            small_bytes: 0,
            flights: HashMap::default(),
            passes: HashMap::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The answer for a request. `alive` tells whether one was purged; such are dropped.
    pub(super) fn find(
        &mut self,
        key: &Key,
        request: &HeaderMap,
        alive: impl Fn(&Stored) -> bool,
    ) -> Found {
        let Some(entry) = self.entries.get(key) else {
            return Found::Nothing;
        };
        // The latest comes last; it is the one to prefer when several match (RFC 9111, section 4.1).
        let found = entry
            .variants
            .iter()
            .rev()
            .find(|stored| stored.selection.matches(request));
        match found {
            Some(stored) if alive(stored) => {
                stored.used();
                Found::Hit(Arc::clone(stored))
            }
            Some(_) => {
                self.drop_dead(key, alive);
                if self.entries.contains_key(key) {
                    Found::OtherVariants
                } else {
                    Found::Nothing
                }
            }
            None => Found::OtherVariants,
        }
    }

    /// Stores an answer; it takes the place of those for the same requests.
    pub(super) fn insert(&mut self, key: &Key, stored: Arc<Stored>, request: &HeaderMap) {
        self.passes.remove(key);
        let size = stored.size();
        if size + key.size() > self.budget {
            return;
        }
        if let Some(entry) = self.entries.get_mut(key) {
            let before = entry.size;
            entry.variants.retain(|old| !old.selection.matches(request));
            if entry.variants.len() >= self.max_variants {
                entry.variants.remove(0);
            }
            entry.variants.push(stored);
            entry.size = key.size() + entry.variants.iter().map(|old| old.size()).sum::<usize>();
            let (after, in_main) = (entry.size, entry.in_main);
            self.account(before, after, in_main);
        } else {
            let in_main = self.ghost_set.contains(&key.hash());
            let size = size + key.size();
            self.entries.insert(
                key.clone(),
                Entry {
                    variants: vec![stored],
                    size,
                    in_main,
                },
            );
            if in_main {
                &mut self.main
            } else {
                &mut self.small
            }
            .push_back(key.clone());
            self.account(0, size, in_main);
        }
        self.evict();
    }

    /// Drops everything; tells how many keys that were.
    pub(super) fn clear(&mut self) -> usize {
        let entries = self.entries.len();
        self.entries.clear();
        self.small.clear();
        self.main.clear();
        (self.bytes, self.small_bytes) = (0, 0);
        entries
    }

    /// Notes that nobody should wait for an answer to this key for a while.
    pub(super) fn pass(&mut self, key: &Key, until: Instant) {
        if self.passes.len() >= MAX_PASSES {
            let now = Instant::now();
            self.passes.retain(|_, until| *until > now);
            if self.passes.len() >= MAX_PASSES {
                self.passes.clear();
            }
        }
        self.passes.insert(key.clone(), until);
    }

    pub(super) fn passes(&self, key: &Key) -> bool {
        self.passes
            .get(key)
            .is_some_and(|until| *until > Instant::now())
    }

    fn account(&mut self, before: usize, after: usize, in_main: bool) {
        self.bytes = self.bytes + after - before;
        if !in_main {
            self.small_bytes = self.small_bytes + after - before;
        }
    }

    fn drop_dead(&mut self, key: &Key, alive: impl Fn(&Stored) -> bool) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        let before = entry.size;
        entry.variants.retain(|stored| alive(stored));
        entry.size = key.size() + entry.variants.iter().map(|old| old.size()).sum::<usize>();
        let (after, in_main) = (entry.size, entry.in_main);
        // Its place in a queue stays, and is skipped when its turn comes; a key that comes again
        // before that would stand there twice, which costs it an early second look at worst.
        if entry.variants.is_empty() {
            self.entries.remove(key);
            self.account(before, 0, in_main);
        } else {
            self.account(before, after, in_main);
        }
    }

    fn evict(&mut self) {
        while self.bytes > self.budget {
            let small_share = self.budget / 100 * SMALL_PERCENT;
            let from_small = self.small_bytes > small_share || self.main.is_empty();
            let went = if from_small {
                self.evict_small()
            } else {
                self.evict_main()
            };
            if !went && self.small.is_empty() && self.main.is_empty() {
                return;
            }
        }
        // Keys that were dropped leave their places behind.
        let places = self.small.len() + self.main.len();
        if places > 2 * self.entries.len() + 64 {
            let entries = &self.entries;
            self.small
                .retain(|key| entries.get(key).is_some_and(|entry| !entry.in_main));
            self.main
                .retain(|key| entries.get(key).is_some_and(|entry| entry.in_main));
        }
    }

    fn evict_small(&mut self) -> bool {
        let Some(key) = self.small.pop_front() else {
            return false;
        };
        let Some(entry) = self.entries.get_mut(&key) else {
            return false;
        };
        if entry.in_main {
            return false;
        }
        if entry
            .variants
            .iter()
            .filter(|stored| stored.spend_use())
            .count()
            > 0
        {
            entry.in_main = true;
            self.small_bytes -= entry.size;
            self.main.push_back(key);
            return false;
        }
        self.remember(key.hash());
        self.remove(&key)
    }

    fn evict_main(&mut self) -> bool {
        let Some(key) = self.main.pop_front() else {
            return false;
        };
        let Some(entry) = self.entries.get(&key) else {
            return false;
        };
        if !entry.in_main {
            return false;
        }
        if entry
            .variants
            .iter()
            .filter(|stored| stored.spend_use())
            .count()
            > 0
        {
            self.main.push_back(key);
            return false;
        }
        self.remove(&key)
    }

    fn remove(&mut self, key: &Key) -> bool {
        let Some(entry) = self.entries.remove(key) else {
            return false;
        };
        self.account(entry.size, 0, entry.in_main);
        true
    }

    fn remember(&mut self, hash: u64) {
        if self.ghost_set.insert(hash) {
            self.ghosts.push_back(hash);
        }
        // As many as there are entries.
        while self.ghosts.len() > self.entries.len() + 16 {
            if let Some(old) = self.ghosts.pop_front() {
                self.ghost_set.remove(&old);
            }
        }
    }
}

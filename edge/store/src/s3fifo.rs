//! One shard of the memory tier: a table, and who has to go when it is full.
//!
//! Eviction is S3-FIFO (Yang, Zhang, Qiu, Yue, Vinayak, "FIFO queues are all you need for cache
//! eviction", SOSP 2023): a small queue for what is new, where what is asked for once goes out again
//! soon, a main queue for what was asked for again, and a list of keys that went lately, which go
//! into the main queue when they come back. A scan cannot push out what is popular, and a hit moves
//! nothing: it counts up one byte of the entry it has found anyway. Queues hold a hash and a ticket
//! and no key.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use hashbrown::HashTable;

/// Share of the bytes for the small queue, in percent.
const SMALL_PERCENT: usize = 10;
/// What an entry costs beside its value: its place in the table, in a queue, and its hash among those
/// that went.
const ENTRY: usize = 128;
/// Uses counted between two looks of eviction.
const MAX_USES: u8 = 3;

/// What a value takes.
pub trait Weigh {
    /// In bytes.
    fn weight(&self) -> usize;
}

/// A table of values with a bound on their bytes.
#[derive(Debug)]
pub struct S3Fifo<V> {
    budget: usize,
    table: HashTable<Entry<V>>,
    small: VecDeque<Place>,
    main: VecDeque<Place>,
    /// Hashes of what left the small queue, oldest first.
    ghosts: VecDeque<u64>,
    ghost_set: HashSet<u64, BuildHasherDefault<Same>>,
    bytes: usize,
    small_bytes: usize,
    tickets: u64,
    evicted: u64,
}

#[derive(Debug)]
struct Entry<V> {
    hash: u64,
    value: V,
    size: usize,
    queue: Queue,
    /// Its place in the queue has the same; other places of its hash are left-overs.
    ticket: u64,
    /// How often it was used since eviction last looked.
    uses: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Queue {
    Small,
    Main,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    hash: u64,
    ticket: u64,
}

impl<V: Weigh> S3Fifo<V> {
    /// An empty table for so many bytes.
    #[must_use]
    pub fn new(budget: usize) -> Self {
        Self {
            budget,
            table: HashTable::new(),
            small: VecDeque::new(),
            main: VecDeque::new(),
            ghosts: VecDeque::new(),
            ghost_set: HashSet::default(),
            bytes: 0,
            small_bytes: 0,
            tickets: 0,
            evicted: 0,
        }
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Adds up again what [`S3Fifo::bytes`] counts, for tests.
    #[must_use]
    pub fn recount(&self) -> usize {
        self.table
            .iter()
            .map(|entry| ENTRY + entry.value.weight())
            .sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Bytes that all values take, with what keeping them costs.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many values had to go so that others had room.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Whether a value of this weight can ever be kept.
    #[must_use]
    pub fn has_room_for(&self, weight: usize) -> bool {
        weight.saturating_add(ENTRY) <= self.budget
    }

    /// All values, in no order.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.table.iter().map(|entry| &entry.value)
    }

    /// A value, without counting that it was used.
    pub fn peek(&self, hash: u64, same: impl Fn(&V) -> bool) -> Option<&V> {
        let found = self.table.find(hash, |entry| same(&entry.value));
        found.map(|entry| &entry.value)
    }

    /// A value, if `pick` finds in it what is asked for; then it counts as used.
    pub fn pick<'a, T>(
        &'a mut self,
        hash: u64,
        same: impl Fn(&V) -> bool,
        pick: impl FnOnce(&'a V) -> Option<T>,
    ) -> Option<T> {
        let entry = self.table.find_mut(hash, |entry| same(&entry.value))?;
        let picked = pick(&entry.value)?;
        entry.uses = (entry.uses + 1).min(MAX_USES);
        Some(picked)
    }

    /// Changes a value; it goes when `change` says false. What is too much then has to go as well,
    /// first of all what is not `useful`.
    pub fn change(
        &mut self,
        hash: u64,
        same: impl Fn(&V) -> bool,
        change: impl FnOnce(&mut V) -> bool,
        useful: impl Fn(&V) -> bool,
    ) -> bool {
        let Ok(mut found) = self.table.find_entry(hash, |entry| same(&entry.value)) else {
            return false;
        };
        let entry = found.get_mut();
        let (before, queue) = (entry.size, entry.queue);
        let after = if change(&mut entry.value) {
            entry.size = ENTRY + entry.value.weight();
            entry.size
        } else {
            // Its place in a queue stays, and is skipped when its turn comes.
            found.remove();
            0
        };
        self.account(before, after, queue);
        if after > before {
            self.evict(&useful);
        }
        self.tidy();
        true
    }

    /// Puts in a value whose like is not there.
    pub fn insert(&mut self, hash: u64, value: V, useful: impl Fn(&V) -> bool) {
        let queue = if self.ghost_set.contains(&hash) {
            Queue::Main
        } else {
            Queue::Small
        };
        self.tickets += 1;
        let (ticket, size) = (self.tickets, ENTRY + value.weight());
        let entry = Entry {
            hash,
            value,
            size,
            queue,
            ticket,
            uses: 0,
        };
        self.table.insert_unique(hash, entry, |entry| entry.hash);
        self.queue(queue).push_back(Place { hash, ticket });
        self.account(0, size, queue);
        self.evict(&useful);
        self.tidy();
    }

    /// Takes a value out.
    pub fn remove(&mut self, hash: u64, same: impl Fn(&V) -> bool) -> Option<V> {
        let found = self.table.find_entry(hash, |entry| same(&entry.value));
        let (entry, _) = found.ok()?.remove();
        self.account(entry.size, 0, entry.queue);
        self.tidy();
        Some(entry.value)
    }

    /// Looks at all values; those go for which `keep` says false.
    pub fn retain(&mut self, mut keep: impl FnMut(&mut V) -> bool) {
        let (mut bytes, mut small_bytes) = (0, 0);
        self.table.retain(|entry| {
            if !keep(&mut entry.value) {
                return false;
            }
            entry.size = ENTRY + entry.value.weight();
            bytes += entry.size;
            if entry.queue == Queue::Small {
                small_bytes += entry.size;
            }
            true
        });
        (self.bytes, self.small_bytes) = (bytes, small_bytes);
        self.tidy();
    }

    /// Drops everything; tells how many values that were.
    pub fn clear(&mut self) -> usize {
        let values = self.table.len();
        self.table.clear();
        self.small.clear();
        self.main.clear();
        (self.bytes, self.small_bytes) = (0, 0);
        values
    }

    fn queue(&mut self, queue: Queue) -> &mut VecDeque<Place> {
        match queue {
            Queue::Small => &mut self.small,
            Queue::Main => &mut self.main,
        }
    }

    fn account(&mut self, before: usize, after: usize, queue: Queue) {
        self.bytes = self.bytes + after - before;
        if queue == Queue::Small {
            self.small_bytes = self.small_bytes + after - before;
        }
    }

    fn evict(&mut self, useful: &impl Fn(&V) -> bool) {
        while self.bytes > self.budget {
            let share = self.budget / 100 * SMALL_PERCENT;
            let queue = if self.small_bytes > share || self.main.is_empty() {
                Queue::Small
            } else {
                Queue::Main
            };
            match self.queue(queue).pop_front() {
                Some(place) => self.judge(place, queue, useful),
                None if self.small.is_empty() && self.main.is_empty() => return,
                None => {}
            }
        }
    }

    /// What becomes of the entry whose turn has come.
    fn judge(&mut self, place: Place, queue: Queue, useful: &impl Fn(&V) -> bool) {
        let same = |entry: &Entry<V>| entry.ticket == place.ticket;
        let Ok(mut found) = self.table.find_entry(place.hash, same) else {
            return;
        };
        let entry = found.get_mut();
        if entry.uses == 0 || !useful(&entry.value) {
            let (entry, _) = found.remove();
            self.evicted += 1;
            self.account(entry.size, 0, queue);
            if queue == Queue::Small {
                self.remember(place.hash);
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
            let same = |entry: &Entry<V>| entry.ticket == place.ticket;
            table.find(place.hash, same).is_some()
        };
        self.small.retain(current);
        self.main.retain(current);
    }
}

/// For sets of what are hashes already.
#[derive(Clone, Copy, Debug, Default)]
struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sized(u64, usize);

    impl Weigh for Sized {
        fn weight(&self) -> usize {
            self.1
        }
    }

    fn put(table: &mut S3Fifo<Sized>, key: u64, weight: usize) {
        table.remove(key, |value| value.0 == key);
        table.insert(key, Sized(key, weight), |_| true);
    }

    fn use_it(table: &mut S3Fifo<Sized>, key: u64) -> bool {
        let same = |value: &Sized| value.0 == key;
        table.pick(key, same, |_| Some(())).is_some()
    }

    #[test]
    fn bytes_stay_below_the_budget_and_add_up() {
        let mut table = S3Fifo::new(100_000);
        for key in 0..10_000 {
            put(&mut table, key % 700, 100 + key as usize * 7 % 900);
            use_it(&mut table, key * 13 % 700);
            assert!(table.bytes() <= 100_000);
        }
        let sum: usize = table.values().map(|value| value.1 + ENTRY).sum();
        assert_eq!(sum, table.bytes());
        assert!(table.evicted() > 0 && !table.is_empty());
        assert!(table.small.len() + table.main.len() <= 2 * table.len() + 64);
    }

    #[test]
    fn a_scan_pushes_out_nothing_that_is_used() {
        let mut table = S3Fifo::new(100 * (1000 + ENTRY));
        for key in 0..50 {
            put(&mut table, key, 1000);
            use_it(&mut table, key);
        }
        for key in 1000..5000 {
            put(&mut table, key, 1000);
        }
        let left = (0..50).filter(|key| use_it(&mut table, *key)).count();
        assert_eq!(left, 50);
    }

    #[test]
    fn what_is_of_no_use_goes_first_and_a_changed_value_is_weighed_again() {
        let mut table = S3Fifo::new(10 * (1000 + ENTRY));
        for key in 0..10 {
            put(&mut table, key, 1000);
            use_it(&mut table, key);
        }
        let grow = |value: &mut Sized| {
            value.1 = 2000;
            true
        };
        assert!(table.change(9, |value| value.0 == 9, grow, |value| value.0 != 3));
        assert!(!use_it(&mut table, 3) && use_it(&mut table, 9));
        assert!(table.change(9, |value| value.0 == 9, |_| false, |_| true));
        assert!(!table.change(9, |value| value.0 == 9, |_| true, |_| true));
        table.retain(|value| value.0 == 5);
        assert_eq!((table.len(), table.bytes()), (1, 1000 + ENTRY));
        assert_eq!(table.clear(), 1);
        assert!(!table.has_room_for(20_000) && table.has_room_for(1000));
    }
}

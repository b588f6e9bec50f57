//! Purging by name without touching what is stored.
//!
//! A name is one shared cell that holds the moment it was last purged, in ticks of a counter. A
//! stored answer holds the cells of its names and the tick at which its fetch began; it is gone when
//! one of them was purged since. So a purge costs the same for one answer as for a million, and an
//! answer that was already on its way when its name was purged is never given to anybody. What it
//! takes is freed when it is next looked up, evicted or swept.
//!
//! Names are kept as hashes under a secret: two that collide are purged together, which costs a
//! fetch.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use zephyr_cache::Name;

use super::key::BuildHashed;

/// Cells that nothing uses are forgotten once so many have come since the last time.
const SWEEP: usize = 4096;
/// Purges remembered of names that nothing stored has: something on its way may have them. When
/// there are more, what began before the forgotten ones is not stored.
const MAX_RECENT: usize = 65_536;

/// All names.
#[derive(Debug)]
pub(super) struct Tags {
    hasher: RandomState,
    /// Raised after a purge has marked what it purges.
    tick: AtomicU64,
    all: AtomicU64,
    /// How many answers purges have met so far.
    met: AtomicUsize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    cells: HashMap<u64, Arc<Tag>, BuildHashed>,
    sweep_at: usize,
    /// Purges of names without a cell, oldest first.
    order: VecDeque<(u64, u64)>,
    recent: HashMap<u64, u64, BuildHashed>,
    /// Purges up to this tick may have been forgotten.
    forgotten: u64,
}

/// One name's cell.
#[derive(Debug)]
pub(super) struct Tag {
    purged: AtomicU64,
}

/// The names of one answer.
#[derive(Debug)]
pub(super) struct Names {
    began: u64,
    tags: Box<[Arc<Tag>]>,
    /// The tick at which it was last seen alive.
    seen: AtomicU64,
}

impl Names {
    /// These and those, from the moment of these.
    pub(super) fn with(self, others: &Self) -> Self {
        let new = |tag: &&Arc<Tag>| !self.tags.iter().any(|known| Arc::ptr_eq(known, tag));
        let others: Vec<_> = others.tags.iter().filter(new).cloned().collect();
        Self {
            began: self.began,
            tags: self.tags.iter().cloned().chain(others).collect(),
            seen: AtomicU64::new(0),
        }
    }

    /// Bytes they take, cells included.
    pub(super) fn size(&self) -> usize {
        self.tags.len() * 64
    }
}

impl Tags {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            tick: AtomicU64::new(1),
            all: AtomicU64::new(0),
            met: AtomicUsize::new(0),
            known: Mutex::new(Known {
                sweep_at: SWEEP,
                ..Known::default()
            }),
        }
    }

    /// The moment at which a fetch begins.
    pub(super) fn begin(&self) -> u64 {
        self.tick.load(Ordering::Acquire)
    }

    /// The names of an answer whose fetch began then.
    pub(super) fn names<'a>(&self, began: u64, names: impl Iterator<Item = Name<'a>>) -> Names {
        let hashes = names.map(|name| self.hasher.hash_one(name));
        let mut known = self.known.lock();
        let mut tags: Vec<_> = hashes.map(|hash| known.cell(hash)).collect();
        if began < known.forgotten {
            tags.push(Arc::new(Tag {
                purged: AtomicU64::new(u64::MAX),
            }));
        }
        known.sweep();
        Names {
            began,
            tags: tags.into(),
            seen: AtomicU64::new(0),
        }
    }

    /// Whether an answer with these names may still be given.
    pub(super) fn alive(&self, names: &Names) -> bool {
        let tick = self.tick.load(Ordering::Acquire);
        // Nothing was purged since it was last looked at: the common case, at one load.
        if names.seen.load(Ordering::Relaxed) == tick {
            return true;
        }
        let older = |purged: &AtomicU64| purged.load(Ordering::Acquire) <= names.began;
        let alive = older(&self.all) && names.tags.iter().all(|tag| older(&tag.purged));
        if alive {
            names.seen.store(tick, Ordering::Relaxed);
        }
        alive
    }

    /// Purges a name; tells how many answers have it.
    pub(super) fn purge(&self, name: Name<'_>) -> usize {
        let hash = self.hasher.hash_one(name);
        let mut known = self.known.lock();
        let tick = self.tick.load(Ordering::Acquire) + 1;
        let met = match known.cells.get(&hash) {
            Some(tag) => {
                tag.purged.store(tick, Ordering::Release);
                Arc::strong_count(tag) - 1
            }
            None => {
                known.remember(hash, tick);
                0
            }
        };
        // What begins from here on is younger than the purge; what has begun is not.
        self.tick.store(tick, Ordering::Release);
        drop(known);
        self.met.fetch_add(met, Ordering::Relaxed);
        met
    }

    /// Purges everything.
    pub(super) fn purge_all(&self) {
        let _known = self.known.lock();
        let tick = self.tick.load(Ordering::Acquire) + 1;
        self.all.store(tick, Ordering::Release);
        self.tick.store(tick, Ordering::Release);
    }

    /// How many answers purges have met so far, about.
    pub(super) fn met(&self) -> usize {
        self.met.load(Ordering::Relaxed)
    }
}

impl Known {
    fn cell(&mut self, hash: u64) -> Arc<Tag> {
        let purged = self.recent.get(&hash).copied().unwrap_or(0);
        let new = || {
            Arc::new(Tag {
                purged: AtomicU64::new(purged),
            })
        };
        Arc::clone(self.cells.entry(hash).or_insert_with(new))
    }

    fn remember(&mut self, hash: u64, tick: u64) {
        self.recent.insert(hash, tick);
        self.order.push_back((hash, tick));
        while self.order.len() > MAX_RECENT
            && let Some((hash, tick)) = self.order.pop_front()
        {
            self.forgotten = self.forgotten.max(tick);
            if self.recent.get(&hash) == Some(&tick) {
                self.recent.remove(&hash);
            }
        }
    }

    fn sweep(&mut self) {
        if self.cells.len() < self.sweep_at {
            return;
        }
        let mut purged = Vec::new();
        self.cells.retain(|hash, tag| {
            let used = Arc::strong_count(tag) > 1;
            let tick = tag.purged.load(Ordering::Acquire);
            if !used && tick > 0 {
                purged.push((*hash, tick));
            }
            used
        });
        purged.sort_unstable_by_key(|(_, tick)| *tick);
        for (hash, tick) in purged {
            // In order of the purges no more, which makes what is forgotten too much, never too
            // little.
            self.remember(hash, tick);
        }
        self.sweep_at = self.cells.len() * 2 + SWEEP;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(tags: &Tags, began: u64, keys: &[&str]) -> Names {
        tags.names(began, keys.iter().map(|key| Name::Key(key)))
    }

    #[test]
    fn a_purge_reaches_what_has_the_name_and_nothing_else() {
        let tags = Tags::new();
        let a = names(&tags, tags.begin(), &["a", "both"]);
        let b = names(&tags, tags.begin(), &["b", "both"]);
        assert!(tags.alive(&a) && tags.alive(&b));
        assert_eq!(tags.purge(Name::Key("a")), 1);
        assert!(!tags.alive(&a) && tags.alive(&b));
        let again = names(&tags, tags.begin(), &["a", "both"]);
        assert!(tags.alive(&again), "what comes after a purge stays");
        tags.purge(Name::Key("both"));
        assert!(!tags.alive(&again) && !tags.alive(&b));
        let last = names(&tags, tags.begin(), &[]);
        tags.purge_all();
        assert!(!tags.alive(&last));
    }

    #[test]
    fn names_of_different_kinds_are_different_names() {
        let tags = Tags::new();
        let url = Name::Url {
            authority: "a",
            path: "x",
            query: None,
        };
        let group = Name::Group {
            authority: "a",
            group: "x",
        };
        let other = Name::Group {
            authority: "b",
            group: "x",
        };
        let with = |name| tags.names(tags.begin(), [name].into_iter());
        let (of_url, of_group, of_key) = (with(url), with(group), with(Name::Key("x")));
        assert_eq!(tags.purge(other), 0);
        assert_eq!(tags.purge(group), 1);
        assert!(tags.alive(&of_url) && tags.alive(&of_key) && !tags.alive(&of_group));
    }

    #[test]
    fn what_was_on_its_way_is_purged_too() {
        let tags = Tags::new();
        let began = tags.begin();
        assert_eq!(tags.purge(Name::Key("a")), 0, "nothing stored has it yet");
        assert!(!tags.alive(&names(&tags, began, &["a"])));
        assert!(tags.alive(&names(&tags, began, &["b"])));
        assert!(tags.alive(&names(&tags, tags.begin(), &["a"])));
    }

    #[test]
    fn a_purge_outlives_the_names_it_met() {
        let tags = Tags::new();
        drop(names(&tags, tags.begin(), &["a"]));
        let began = tags.begin();
        tags.purge(Name::Key("a"));
        for number in 0..3 * SWEEP {
            drop(names(&tags, tags.begin(), &[&number.to_string()]));
        }
        assert!(
            tags.known.lock().cells.len() < 2 * SWEEP,
            "unused names are forgotten"
        );
        assert!(!tags.alive(&names(&tags, began, &["a"])));
    }

    #[test]
    fn when_too_much_is_purged_at_once_what_is_on_its_way_is_lost_and_nothing_stale_is_given() {
        let tags = Tags::new();
        let began = tags.begin();
        for number in 0..MAX_RECENT + 10 {
            tags.purge(Name::Key(&number.to_string()));
        }
        assert!(
            !tags.alive(&names(&tags, began, &["0"])),
            "its purge was forgotten"
        );
        assert!(
            !tags.alive(&names(&tags, began, &["never purged"])),
            "nobody knows any more"
        );
        assert!(tags.alive(&names(&tags, tags.begin(), &["0"])));
        let known = tags.known.lock();
        assert!(known.order.len() <= MAX_RECENT && known.recent.len() <= MAX_RECENT);
    }

    #[test]
    fn an_updated_answer_keeps_its_names() {
        let tags = Tags::new();
        let old = names(&tags, tags.begin(), &["a", "b"]);
        let new = names(&tags, tags.begin(), &["b", "c"]).with(&old);
        assert_eq!(new.tags.len(), 3);
        tags.purge(Name::Key("a"));
        assert!(!tags.alive(&new));
    }
}

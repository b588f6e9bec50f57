//! Purging by name without touching what is stored.
//!
//! A name is one shared cell that holds the moment it was last purged, in ticks of a counter. A
//! stored answer holds the cells of its names and the tick at which its fetch began; it is gone when
//! one of them was purged since. So a purge costs the same for one answer as for a million, and an
//! answer that was already on its way when its name was purged is never given to anybody. What it
//! takes is freed when it is next looked up, or evicted.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Names that nothing uses are forgotten once so many have come since the last time.
const SWEEP: usize = 4096;
/// For how long a purge is remembered when nothing stored has the name: longer than any fetch.
const REMEMBER: Duration = Duration::from_secs(900);

/// All names.
#[derive(Debug)]
pub(super) struct Tags {
    tick: AtomicU64,
    all: AtomicU64,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    tags: HashMap<Box<str>, Entry>,
    sweep_at: usize,
}

#[derive(Debug)]
struct Entry {
    tag: Arc<Tag>,
    purged: Option<Instant>,
}

/// One name's cell.
#[derive(Debug)]
pub(super) struct Tag {
    purged: AtomicU64,
}

/// The names of one answer.
#[derive(Clone, Debug)]
pub(super) struct Names {
    began: u64,
    tags: Box<[Arc<Tag>]>,
}

impl Names {
    /// These and those, from the moment of these.
    pub(super) fn with(&self, others: &Self) -> Self {
        let new = |tag: &&Arc<Tag>| !self.tags.iter().any(|known| Arc::ptr_eq(known, tag));
        let tags = self
            .tags
            .iter()
            .chain(others.tags.iter().filter(new))
            .cloned()
            .collect();
        Self {
            began: self.began,
            tags,
        }
    }
}

impl Tags {
    pub(super) fn new() -> Self {
        Self {
            tick: AtomicU64::new(1),
            all: AtomicU64::new(0),
            known: Mutex::new(Known {
                tags: HashMap::new(),
                sweep_at: SWEEP,
            }),
        }
    }

    /// The moment at which a fetch begins.
    pub(super) fn begin(&self) -> u64 {
        self.tick.load(Ordering::Acquire)
    }

    /// The names of an answer whose fetch began then.
    pub(super) fn names<'a>(&self, began: u64, names: impl Iterator<Item = &'a str>) -> Names {
        let mut known = self.known.lock();
        let tags = names
            .map(|name| match known.tags.get(name) {
                Some(entry) => Arc::clone(&entry.tag),
                None => {
                    let tag = Arc::new(Tag {
                        purged: AtomicU64::new(0),
                    });
                    let entry = Entry {
                        tag: Arc::clone(&tag),
                        purged: None,
                    };
                    known.tags.insert(name.into(), entry);
                    tag
                }
            })
            .collect();
        known.sweep();
        Names { began, tags }
    }

    /// Whether an answer with these names may still be given.
    pub(super) fn alive(&self, names: &Names) -> bool {
        self.all.load(Ordering::Acquire) <= names.began
            && names
                .tags
                .iter()
                .all(|tag| tag.purged.load(Ordering::Acquire) <= names.began)
    }

    /// Purges a name; tells how many stored answers have it.
    pub(super) fn purge(&self, name: &str) -> usize {
        // Whatever began before this line is older than the tick.
        let tick = self.tick.fetch_add(1, Ordering::AcqRel) + 1;
        let mut known = self.known.lock();
        let now = Some(Instant::now());
        if let Some(entry) = known.tags.get_mut(name) {
            entry.tag.purged.fetch_max(tick, Ordering::AcqRel);
            entry.purged = now;
            return Arc::strong_count(&entry.tag) - 1;
        }
        // Something that has the name may be on its way.
        let tag = Arc::new(Tag {
            purged: AtomicU64::new(tick),
        });
        known.tags.insert(name.into(), Entry { tag, purged: now });
        known.sweep();
        0
    }

    /// Purges everything.
    pub(super) fn purge_all(&self) {
        let tick = self.tick.fetch_add(1, Ordering::AcqRel) + 1;
        self.all.fetch_max(tick, Ordering::AcqRel);
    }
}

impl Known {
    fn sweep(&mut self) {
        if self.tags.len() < self.sweep_at {
            return;
        }
        self.tags.retain(|_, entry| {
            Arc::strong_count(&entry.tag) > 1
                || entry.purged.is_some_and(|at| at.elapsed() < REMEMBER)
        });
        self.sweep_at = self.tags.len() * 2 + SWEEP;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purge_reaches_what_has_the_name_and_nothing_else() {
        let tags = Tags::new();
        let a = tags.names(tags.begin(), ["a", "both"].into_iter());
        let b = tags.names(tags.begin(), ["b", "both"].into_iter());
        assert_eq!(tags.purge("a"), 1);
        assert!(!tags.alive(&a) && tags.alive(&b));
        let again = tags.names(tags.begin(), ["a", "both"].into_iter());
        assert!(tags.alive(&again), "what comes after a purge stays");
        tags.purge("both");
        assert!(!tags.alive(&again) && !tags.alive(&b));
        let last = tags.names(tags.begin(), std::iter::empty());
        tags.purge_all();
        assert!(!tags.alive(&last));
    }

    #[test]
    fn what_was_on_its_way_is_purged_too() {
        let tags = Tags::new();
        let began = tags.begin();
        assert_eq!(tags.purge("a"), 0, "nothing stored has it yet");
        assert!(!tags.alive(&tags.names(began, ["a"].into_iter())));
        assert!(tags.alive(&tags.names(tags.begin(), ["a"].into_iter())));
    }

    #[test]
    fn unused_names_are_forgotten() {
        let tags = Tags::new();
        for number in 0..3 * SWEEP {
            drop(tags.names(tags.begin(), [number.to_string().as_str()].into_iter()));
        }
        assert!(tags.known.lock().tags.len() <= SWEEP);
    }
}

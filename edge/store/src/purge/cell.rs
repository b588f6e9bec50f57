//! The cell of a name, and the names of one answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Kind, Life};

/// When a name was purged, in ticks; 0: never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) hard: u64,
    pub(crate) soft: u64,
    /// When the soft one was, in seconds since the Unix epoch.
    pub(crate) since: u64,
}

impl Marks {
    pub(crate) fn of(kind: Kind, tick: u64) -> Self {
        match kind {
            Kind::Hard => Self {
                hard: tick,
                ..Self::default()
            },
            Kind::Soft(since) => Self {
                soft: tick,
                since,
                hard: 0,
            },
        }
    }

    pub(crate) fn latest(&self) -> u64 {
        self.hard.max(self.soft)
    }

    /// Both, where the later of two counts.
    pub(crate) fn merge(&mut self, other: Self) {
        self.hard = self.hard.max(other.hard);
        if other.soft > self.soft {
            (self.soft, self.since) = (other.soft, other.since);
        }
    }
}

/// One name's cell.
#[derive(Debug)]
pub(crate) struct Tag {
    name: u64,
    hard: AtomicU64,
    soft: AtomicU64,
    since: AtomicU64,
}

impl Tag {
    pub(crate) fn new(name: u64, marks: Marks) -> Self {
        Self {
            name,
            hard: AtomicU64::new(marks.hard),
            soft: AtomicU64::new(marks.soft),
            since: AtomicU64::new(marks.since),
        }
    }

    /// Of a name that was purged whenever one asks.
    pub(crate) fn gone() -> Self {
        let marks = Marks {
            hard: u64::MAX,
            ..Marks::default()
        };
        Self::new(0, marks)
    }

    pub(crate) fn marks(&self) -> Marks {
        Marks {
            hard: self.hard.load(Ordering::Acquire),
            soft: self.soft.load(Ordering::Acquire),
            since: self.since.load(Ordering::Acquire),
        }
    }

    /// Marks it; one at a time, under the lock of all names.
    pub(crate) fn mark(&self, marks: Marks) {
        if marks.hard > 0 {
            self.hard.fetch_max(marks.hard, Ordering::AcqRel);
        }
        if marks.soft > self.soft.load(Ordering::Acquire) {
            self.since.store(marks.since, Ordering::Release);
            self.soft.store(marks.soft, Ordering::Release);
        }
    }
}

/// The names of one answer.
#[derive(Debug)]
pub struct Names {
    began: u64,
    tags: Box<[Arc<Tag>]>,
    /// The tick at which it was last seen alive.
    seen: AtomicU64,
}

impl Clone for Names {
    fn clone(&self) -> Self {
        Self::new(self.began, self.tags.to_vec())
    }
}

impl Names {
    pub(crate) fn new(began: u64, tags: Vec<Arc<Tag>>) -> Self {
        Self {
            began,
            tags: tags.into(),
            seen: AtomicU64::new(0),
        }
    }

    /// These and those, from the moment of these.
    #[must_use]
    pub fn with(self, others: &Self) -> Self {
        let new = |tag: &&Arc<Tag>| !self.tags.iter().any(|known| Arc::ptr_eq(known, tag));
        let others: Vec<_> = others.tags.iter().filter(new).cloned().collect();
        let tags = self.tags.iter().cloned().chain(others).collect();
        Self::new(self.began, tags)
    }

    /// The tick at which its fetch began.
    #[must_use]
    pub fn began(&self) -> u64 {
        self.began
    }

    /// The hashes of the names, to be written down.
    pub fn hashes(&self) -> impl ExactSizeIterator<Item = u64> {
        self.tags.iter().map(|tag| tag.name)
    }

    /// Bytes they take, cells included.
    #[must_use]
    pub fn size(&self) -> usize {
        self.tags.len() * 80
    }

    pub(super) fn was_seen_at(&self, tick: u64) -> bool {
        self.seen.load(Ordering::Relaxed) == tick
    }

    pub(super) fn see(&self, tick: u64) {
        self.seen.store(tick, Ordering::Relaxed);
    }

    /// When one of them was purged for good last; 0: never.
    pub(super) fn purged_at(&self, all: &Tag) -> u64 {
        let tags = std::iter::once(all).chain(self.tags.iter().map(AsRef::as_ref));
        let hard = tags.map(|tag| tag.hard.load(Ordering::Acquire));
        hard.max().unwrap_or(0)
    }

    pub(super) fn life(&self, all: &Tag) -> Life {
        let tags = || std::iter::once(all).chain(self.tags.iter().map(AsRef::as_ref));
        if tags().any(|tag| tag.hard.load(Ordering::Acquire) > self.began) {
            return Life::Gone;
        }
        let since = tags()
            .filter(|tag| tag.soft.load(Ordering::Acquire) > self.began)
            .map(|tag| tag.since.load(Ordering::Acquire))
            .min();
        since.map_or(Life::Alive, Life::Stale)
    }
}

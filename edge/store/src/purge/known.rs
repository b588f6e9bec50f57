//! What is known of names: the cells of those in use, and when others were purged.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::cell::{Marks, Tag};

/// Cells that nothing uses are forgotten once so many have come since the last time.
pub(super) const SWEEP: usize = 4096;
/// Purges remembered of names that nothing in memory has: something on its way, or on disk, may have
/// them. When there are more, what began before the forgotten ones counts as purged.
pub(super) const MAX_RECENT: usize = 262_144;

/// All names.
#[derive(Debug)]
pub(super) struct Known {
    cells: HashMap<u64, Arc<Tag>>,
    sweep_at: usize,
    /// Purges of names without a cell, oldest first.
    order: VecDeque<(u64, u64)>,
    recent: HashMap<u64, Marks>,
    /// Purges up to this tick may have been forgotten.
    forgotten: u64,
}

impl Known {
    pub(super) fn new() -> Self {
        Self {
            cells: HashMap::new(),
            sweep_at: SWEEP,
            order: VecDeque::new(),
            recent: HashMap::new(),
            forgotten: 0,
        }
    }

    /// Purges before this tick may be unknown.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    pub(super) fn forget_before(&mut self, tick: u64) {
        self.forgotten = self.forgotten.max(tick);
    }

    pub(super) fn cell(&mut self, name: u64) -> Arc<Tag> {
        let marks = self.recent.get(&name).copied().unwrap_or_default();
        let new = || Arc::new(Tag::new(name, marks));
        Arc::clone(self.cells.entry(name).or_insert_with(new))
    }

    /// Marks a name; tells how many answers in memory have it.
    pub(super) fn mark(&mut self, name: u64, marks: Marks) -> usize {
        match self.cells.get(&name) {
            Some(tag) => {
                tag.mark(marks);
                Arc::strong_count(tag) - 1
            }
            None => {
                self.remember(name, marks);
                0
            }
        }
    }

    /// All marks there are.
    pub(super) fn marks(&self) -> impl Iterator<Item = (u64, Marks)> {
        let of_cells = self.cells.iter().map(|(name, tag)| (*name, tag.marks()));
        of_cells.chain(self.recent.iter().map(|(name, marks)| (*name, *marks)))
    }

    fn remember(&mut self, name: u64, marks: Marks) {
        let known = self.recent.entry(name).or_default();
        known.merge(marks);
        self.order.push_back((name, known.latest()));
        while self.order.len() > MAX_RECENT
            && let Some((name, tick)) = self.order.pop_front()
        {
            let is_last = |marks: &Marks| marks.latest() == tick;
            if self.recent.get(&name).is_some_and(is_last) {
                self.forgotten = self.forgotten.max(tick);
                self.recent.remove(&name);
            }
        }
    }

    /// Forgets cells that nothing uses, when they may be many.
    pub(super) fn sweep(&mut self) {
        if self.cells.len() < self.sweep_at {
            return;
        }
        let mut purged = Vec::new();
        self.cells.retain(|name, tag| {
            let used = Arc::strong_count(tag) > 1;
            if !used && tag.marks().latest() > 0 {
                purged.push((*name, tag.marks()));
            }
            used
        });
        // In order of the purges no more, which makes what is forgotten too much, never too little.
        purged.sort_unstable_by_key(|(_, marks)| marks.latest());
        for (name, marks) in purged {
            self.remember(name, marks);
        }
        self.sweep_at = self.cells.len() * 2 + SWEEP;
    }

    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.cells.len(), self.order.len().max(self.recent.len()))
    }
}

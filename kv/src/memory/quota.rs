//! What all shards together may hold.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::Options;

/// Counts what is held. A write takes its share first and gives back what it replaces.
pub(super) struct Quota {
    options: Options,
    entries: AtomicUsize,
    bytes: AtomicUsize,
}

/// A bound is reached; the text says which.
pub(super) struct Exhausted(pub(super) String);

impl Quota {
    pub(super) fn new(options: Options) -> Self {
        Self {
            options,
            entries: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
        }
    }

    pub(super) fn entries(&self) -> usize {
        self.entries.load(Ordering::Relaxed)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Exchanges an entry of `old` bytes, none when the key is new, for one of `new` bytes.
    pub(super) fn exchange(&self, old: Option<usize>, new: usize) -> Result<(), Exhausted> {
        let grown = new.saturating_sub(old.unwrap_or(0));
        let fits = |held: usize, more: usize, max: usize| {
            // A write that does not grow is let through, so that a full store can still change.
            (more == 0 || held + more <= max).then_some(held + more)
        };
        self.bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
                fits(held, grown, self.options.max_bytes)
            })
            .map_err(|_| Exhausted(format!("{} bytes are held", self.options.max_bytes)))?;
        match old {
            Some(old) => {
                self.bytes
                    .fetch_sub(old.saturating_sub(new), Ordering::Relaxed);
            }
            None => {
                let added =
                    self.entries
                        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
                            fits(held, 1, self.options.max_entries)
                        });
                if added.is_err() {
                    self.bytes.fetch_sub(grown, Ordering::Relaxed);
                    let max = self.options.max_entries;
                    return Err(Exhausted(format!("{max} keys are held")));
                }
            }
        }
        Ok(())
    }

    /// Gives back an entry.
    pub(super) fn release(&self, bytes: usize) {
        self.entries.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

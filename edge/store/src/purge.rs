//! Purging by name without touching what is stored.
//!
//! A name is one shared cell that holds the moment it was last purged, in ticks of a counter. A
//! stored answer holds the cells of its names and the tick at which its fetch began; it is gone when
//! one of them was purged since, or stale when the purge was a soft one. So a purge costs the same
//! for one answer as for a million, and an answer that was already on its way when its name was
//! purged is never given to anybody. What it takes is freed when it is next looked up, evicted or
//! swept.
//!
//! With a journal ([`journal`]) purges outlive the process: what is found on disk at the next start
//! is as gone as it was before. What is no longer known of purges (there is a bound) makes everything
//! from before it gone, never the other way round.
//!
//! The folder of the journal can change hands between processes while purges go on. Ticks of different
//! processes are not comparable, so the one without the folder counts far ahead of the one that has it
//! ([`LEAP`]): what it purges meets all that the other one stores, and holds when the folder is its own.
//!
//! Names are hashes under a secret: two that collide are purged together, which costs a fetch.

mod cell;
mod journal;
mod known;
mod record;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch;

pub use cell::Names;
use cell::{Marks, Tag};
use record::Record;

use crate::hash::Keyed;
use known::Known;

/// How far the ticks of a process that waits for the folder are ahead of the one that has it.
const LEAP: u64 = 1 << 32;
/// And those of one that has let go of it, ahead of the next one's.
const LONG_LEAP: u64 = 1 << 40;

/// What a purge leaves of what it meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing.
    Hard,
    /// A stale answer, from this moment on (seconds since the Unix epoch): it has to be validated,
    /// and may still stand in where a stale one may.
    Soft(u64),
}

/// What is left of a stored answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// All of it.
    Alive,
    /// It was purged softly then, in seconds since the Unix epoch.
    Stale(u64),
    /// It was purged.
    Gone,
}

/// What a purge did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// What begins to be fetched at this tick or later is not meant by the purge, all else is.
    pub tick: u64,
    /// How many stored answers have the name, those included that were purged before and not yet
    /// swept. For everything: none.
    pub met: usize,
}

/// All names, and what was purged.
#[derive(Debug)]
pub struct Purges {
    shared: Arc<Shared>,
    journal: Option<journal::Journal>,
    /// Of the folder. Let go of after the journal was closed.
    lock: Mutex<Option<Arc<File>>>,
}

#[derive(Debug)]
struct Shared {
    hashes: Keyed,
    /// Raised after a purge has marked what it purges.
    tick: AtomicU64,
    all: Tag,
    /// How many answers purges have met so far.
    met: AtomicUsize,
    known: Mutex<Known>,
}

impl Purges {
    /// Purges that end with the process.
    #[must_use]
    pub fn in_memory() -> Self {
        Self {
            shared: Arc::new(Shared::new(Keyed::random())),
            journal: None,
            lock: Mutex::default(),
        }
    }

    /// Purges for a folder that another process has. They are written down once it is theirs
    /// ([`Purges::attach`]); until then they end with the process.
    #[must_use]
    pub fn beside(folder: &Path) -> Self {
        let path = folder.join(journal::FILE);
        let (hashes, records) = match journal::read(&path) {
            Some(known) => known,
            None => (Keyed::random(), Vec::new()),
        };
        let last = records.iter().map(|record| record.tick).max();
        let shared = Shared::new(hashes);
        shared
            .tick
            .fetch_add(last.unwrap_or(0) + LEAP, Ordering::AcqRel);
        Self {
            shared: Arc::new(shared),
            journal: Some(journal::Journal::waiting(path)),
            lock: Mutex::default(),
        }
    }

    /// Purges with a journal in this folder, and those it tells of. A journal that is not there, or
    /// is broken, begins anew under another seed, so that nothing stored under the old one is found
    /// again: nobody knows any more what of it was purged.
    ///
    /// # Errors
    ///
    /// The folder cannot be written.
    pub(crate) fn open(folder: &Path, lock: Arc<File>) -> std::io::Result<Self> {
        let path = folder.join(journal::FILE);
        let (hashes, records) = match journal::read(&path) {
            Some(known) => known,
            None => (Keyed::random(), Vec::new()),
        };
        let shared = Shared::new(hashes);
        records.iter().for_each(|record| shared.replay(record));
        let shared = Arc::new(shared);
        let journal = journal::Journal::waiting(path);
        journal.start(&shared)?;
        Ok(Self {
            shared,
            journal: Some(journal),
            lock: Mutex::new(Some(lock)),
        })
    }

    /// The folder is this process's now: what was purged in it by others holds here too, and what was
    /// purged here is written down. A journal under another seed is of things that are not found any
    /// more, and does not count.
    ///
    /// # Errors
    ///
    /// The folder cannot be written.
    pub(crate) fn attach(&self, lock: Arc<File>) -> std::io::Result<()> {
        let Some(journal) = &self.journal else {
            return Ok(());
        };
        if let Some((hashes, records)) = journal::read(journal.path())
            && hashes.seed() == self.shared.hashes.seed()
        {
            let replay = |record| self.shared.replay(record);
            records.iter().for_each(replay);
        }
        *self.lock.lock() = Some(lock);
        journal.start(&self.shared)
    }

    /// Writes down what was purged so far and lets go of the folder. Purges go on and end with the
    /// process, unless the folder comes back. This waits for the disk.
    pub fn detach(&self) {
        let Some(journal) = &self.journal else { return };
        journal.stop();
        {
            let _known = self.shared.known.lock();
            self.shared.tick.fetch_add(LONG_LEAP, Ordering::AcqRel);
        }
        self.lock.lock().take();
    }

    /// How names and keys are hashed.
    #[must_use]
    pub fn hashes(&self) -> Keyed {
        self.shared.hashes
    }

    /// Goes on from this tick, if it is a later one.
    pub(crate) fn go_on_from(&self, tick: u64) {
        self.shared.tick.fetch_max(tick, Ordering::AcqRel);
    }

    /// The moment at which a fetch begins.
    #[must_use]
    pub fn begin(&self) -> u64 {
        self.shared.tick.load(Ordering::Acquire)
    }

    /// The names of an answer whose fetch began then.
    #[must_use]
    pub fn names(&self, began: u64, names: impl IntoIterator<Item = u64>) -> Names {
        let mut known = self.shared.known.lock();
        let mut tags: Vec<_> = names.into_iter().map(|name| known.cell(name)).collect();
        if began < known.forgotten() {
            tags.push(Arc::new(Tag::gone()));
        }
        known.sweep();
        Names::new(began, tags)
    }

    /// What is left of an answer with these names.
    #[must_use]
    pub fn life(&self, names: &Names) -> Life {
        let tick = self.shared.tick.load(Ordering::Acquire);
        // Nothing was purged since it was last looked at: the common case, at one load.
        if names.was_seen_at(tick) {
            return Life::Alive;
        }
        let life = names.life(&self.shared.all);
        if life == Life::Alive {
            names.see(tick);
        }
        life
    }

    /// The tick at which one of these names was last purged for good; 0: never. What else has them is
    /// gone when its fetch began before that.
    #[must_use]
    pub fn purged_at(&self, names: &Names) -> u64 {
        names.purged_at(&self.shared.all)
    }

    /// Purges a name.
    pub fn purge(&self, name: u64, kind: Kind) -> Receipt {
        let shared = &self.shared;
        let mut known = shared.known.lock();
        let tick = shared.tick.load(Ordering::Acquire) + 1;
        let met = known.mark(name, Marks::of(kind, tick));
        self.finish(tick, Record::purge(name, kind, tick));
        drop(known);
        shared.met.fetch_add(met, Ordering::Relaxed);
        Receipt { tick, met }
    }

    /// Purges everything.
    pub fn purge_all(&self, kind: Kind) -> Receipt {
        let _known = self.shared.known.lock();
        let tick = self.shared.tick.load(Ordering::Acquire) + 1;
        self.shared.all.mark(Marks::of(kind, tick));
        self.finish(tick, Record::all(kind, tick));
        Receipt { tick, met: 0 }
    }

    /// Ends a purge, under the lock.
    fn finish(&self, tick: u64, record: Record) {
        // What begins from here on is younger than the purge; what has begun is not.
        self.shared.tick.store(tick, Ordering::Release);
        if let Some(journal) = &self.journal {
            journal.push(record);
        }
    }

    /// How many answers purges have met so far, about.
    #[must_use]
    pub fn met(&self) -> usize {
        self.shared.met.load(Ordering::Relaxed)
    }

    /// Waits until the purge of this tick outlives a crash of the machine. When the journal cannot be
    /// written this waits until it can.
    pub fn written(&self, tick: u64) -> impl Future<Output = ()> + Send + 'static {
        let written = self.journal.as_ref().map(journal::Journal::written);
        async move {
            let Some(mut written) = written else { return };
            let done = |written: &u64| *written >= tick;
            if watch::Receiver::wait_for(&mut written, done).await.is_err() {
                tracing::debug!("the journal of purges was closed");
            }
        }
    }

    /// Lets the journal forget purges that meet nothing any more: all stored answers began at `oldest`
    /// or later. Does nothing while the journal is short.
    pub fn compact(&self, oldest: u64) {
        if let Some(journal) = &self.journal {
            journal.compact(oldest.min(self.begin()));
        }
    }

    /// How often the journal could not be written.
    #[must_use]
    pub fn journal_errors(&self) -> u64 {
        self.journal.as_ref().map_or(0, journal::Journal::errors)
    }
}

impl Shared {
    fn new(hashes: Keyed) -> Self {
        Self {
            hashes,
            tick: AtomicU64::new(1),
            all: Tag::new(0, Marks::default()),
            met: AtomicUsize::new(0),
            known: Mutex::new(Known::new()),
        }
    }

    fn replay(&self, record: &Record) {
        let mut known = self.known.lock();
        match record.target {
            record::Target::Name(name) => {
                known.mark(name, record.marks());
            }
            record::Target::All => self.all.mark(record.marks()),
            record::Target::Floor => known.forget_before(record.tick),
        }
        self.tick.fetch_max(record.tick, Ordering::AcqRel);
    }

    /// All that there is to know, for a new journal: of purges that can still meet what began at
    /// `oldest` or later.
    fn snapshot(&self, oldest: u64) -> (u64, Vec<Record>) {
        let known = self.known.lock();
        let tick = self.tick.load(Ordering::Acquire);
        let floor = known.forgotten().max(oldest);
        let mut records = vec![Record::floor(floor)];
        Record::of_marks(record::Target::All, self.all.marks(), &mut records);
        for (name, marks) in known.marks() {
            Record::of_marks(record::Target::Name(name), marks, &mut records);
        }
        records.retain(|record| record.tick > floor || record.target == record::Target::Floor);
        records.sort_unstable_by_key(|record| record.tick);
        if records.last().is_none_or(|last| last.tick < tick) {
            // The counter goes on from where it was: a purge of nothing.
            records.push(Record::purge(0, Kind::Hard, tick));
        }
        (tick, records)
    }
}

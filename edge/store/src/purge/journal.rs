//! The journal of purges: what was purged stays purged after a restart.
//!
//! One file, `purges.log`: a head of 64 bytes (`magic · version · seed · check · crc`), then records
//! ([`super::record`]) in the order of the purges. A thread of its own appends them and makes them
//! durable (`fdatasync`), as many at a time as have come; who wants to know waits for it
//! ([`super::Purges::written`]). A crash can leave half a record at the end, which nobody was told of
//! yet: it is cut off. Any other damage makes the journal, and with it all that the store holds,
//! worthless, because a purge may be missing.
//!
//! When the journal cannot be written its file is removed, which works on a full disk too: a purge
//! that is not in it must not be undone by a restart. It is written anew, as a whole, as soon as that
//! works.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use super::Shared;
use super::record::{RECORD, Record};
use crate::hash::Keyed;

/// The file's name.
pub(super) const FILE: &str = "purges.log";
const MAGIC: &[u8; 8] = b"ZPURGES\x01";
const HEAD: usize = 64;
/// A journal of fewer records is not worth compacting.
const MIN_RECORDS: u64 = 8192;
/// More records than this do not wait to be appended: the whole is written anew instead.
const MAX_PENDING: usize = 65_536;
/// How long until a journal that could not be written is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The journal's end at which purges go in. They are written down while its thread runs.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    desk: Arc<Desk>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What purges and the thread share.
#[derive(Debug)]
struct Desk {
    state: Mutex<State>,
    news: Condvar,
    written: watch::Sender<u64>,
    errors: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    pending: Vec<Record>,
    /// The whole has to be written anew, without what is older than `oldest`.
    rewrite: bool,
    oldest: u64,
    /// Records in the file.
    records: u64,
    closing: bool,
}

impl Journal {
    /// One that writes nothing yet; nobody waits for it.
    pub(super) fn waiting(path: PathBuf) -> Self {
        Self {
            path,
            desk: Arc::new(Desk {
                state: Mutex::default(),
                news: Condvar::new(),
                written: watch::Sender::new(u64::MAX),
                errors: AtomicU64::new(0),
            }),
            thread: Mutex::default(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the journal anew from what is known and starts its thread. On a full disk that is done as
    /// soon as there is room: what was stored costs nobody the start.
    pub(super) fn start(&self, shared: &Arc<Shared>) -> io::Result<()> {
        let mut running = self.thread.lock();
        // What comes from here on is appended, and may be in the new file already: twice is as once.
        *self.desk.state.lock() = State::default();
        let (file, tick, records) = match rewrite(&self.path, shared, 0) {
            Ok((file, tick, records)) => (Some(file), tick, records),
            Err(error) if is_full(&error) => (None, 0, 0),
            Err(error) => return Err(error),
        };
        {
            let mut state = self.desk.state.lock();
            state.records = records;
            state.rewrite = file.is_none();
        }
        self.desk.written.send_replace(tick);
        let writer = Writer {
            path: self.path.clone(),
            shared: Arc::clone(shared),
            desk: Arc::clone(&self.desk),
            file,
        };
        let thread = std::thread::Builder::new().name("zephyr-purges".into());
        *running = Some(thread.spawn(|| writer.run())?);
        Ok(())
    }

    /// Writes what waits and ends the thread. Nobody waits for what comes after that: it ends with
    /// the process.
    pub(super) fn stop(&self) {
        self.desk.state.lock().closing = true;
        self.desk.news.notify_one();
        let thread = self.thread.lock().take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the journal of purges ended in a panic");
        }
        self.desk.written.send_replace(u64::MAX);
    }

    pub(super) fn push(&self, record: Record) {
        let mut state = self.desk.state.lock();
        if state.pending.len() >= MAX_PENDING {
            state.pending.clear();
            state.rewrite = true;
        }
        if !state.rewrite {
            state.pending.push(record);
        }
        drop(state);
        self.desk.news.notify_one();
    }

    pub(super) fn compact(&self, oldest: u64) {
        let mut state = self.desk.state.lock();
        if state.records < MIN_RECORDS || oldest <= state.oldest {
            return;
        }
        state.oldest = oldest;
        state.rewrite = true;
        drop(state);
        self.desk.news.notify_one();
    }

    pub(super) fn written(&self) -> watch::Receiver<u64> {
        self.desk.written.subscribe()
    }

    pub(super) fn errors(&self) -> u64 {
        self.desk.errors.load(Ordering::Relaxed)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The thread's own.
struct Writer {
    path: PathBuf,
    shared: Arc<Shared>,
    desk: Arc<Desk>,
    /// None: it could not be written.
    file: Option<File>,
}

impl Writer {
    fn run(mut self) {
        loop {
            let mut state = self.desk.state.lock();
            while state.pending.is_empty() && !state.rewrite && !state.closing {
                self.desk.news.wait(&mut state);
            }
            let (anew, oldest, closing) = (state.rewrite, state.oldest, state.closing);
            let pending = std::mem::take(&mut state.pending);
            state.rewrite = false;
            drop(state);
            let done = if anew || self.file.is_none() {
                self.anew(oldest)
            } else {
                self.append(&pending)
            };
            if let Err(error) = done {
                self.failed(&error, closing);
            }
            if closing {
                return;
            }
        }
    }

    fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let (Some(file), Some(last)) = (&mut self.file, records.last()) else {
            return Ok(());
        };
        let mut bytes = Vec::with_capacity(records.len() * RECORD);
        records.iter().for_each(|record| record.write(&mut bytes));
        file.write_all(&bytes)?;
        file.sync_data()?;
        self.desk.state.lock().records += records.len() as u64;
        self.desk.written.send_replace(last.tick);
        Ok(())
    }

    fn anew(&mut self, oldest: u64) -> io::Result<()> {
        let (file, tick, records) = rewrite(&self.path, &self.shared, oldest)?;
        self.file = Some(file);
        self.desk.state.lock().records = records;
        self.desk.written.send_replace(tick);
        Ok(())
    }

    /// Makes sure that nobody trusts a journal in which a purge is missing.
    fn failed(&mut self, error: &io::Error, closing: bool) {
        let path = self.path.display();
        tracing::error!(%error, "the journal of purges {path} cannot be written: {error}");
        self.desk.errors.fetch_add(1, Ordering::Relaxed);
        self.file = None;
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::error!(%error, "the journal of purges {path} cannot be removed: {error}");
            }
            // A restart finds nothing, so that nothing that was purged comes back.
            _ => {
                let tick = self.shared.tick.load(Ordering::Acquire);
                self.desk.written.send_replace(tick);
            }
        }
        if !closing {
            let mut state = self.desk.state.lock();
            state.rewrite = true;
            if !state.closing {
                self.desk.news.wait_for(&mut state, RETRY);
            }
        }
    }
}

/// Writes a journal of all that is known beside the old one and puts it in its place.
fn rewrite(path: &Path, shared: &Shared, oldest: u64) -> io::Result<(File, u64, u64)> {
    let (tick, records) = shared.snapshot(oldest);
    let mut bytes = head(shared.hashes);
    records.iter().for_each(|record| record.write(&mut bytes));
    let beside = path.with_extension("new");
    let mut file = File::create(&beside)?;
    file.write_all(&bytes)?;
    file.sync_data()?;
    fs::rename(&beside, path)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok((file, tick, records.len() as u64))
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}

fn head(hashes: Keyed) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD);
    bytes.extend_from_slice(MAGIC);
    for word in [hashes.seed()[0], hashes.seed()[1], hashes.check()] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.resize(HEAD - 4, 0);
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// Reads a journal; none when there is none that can be trusted.
pub(super) fn read(path: &Path) -> Option<(Keyed, Vec<Record>)> {
    let bytes = fs::read(path).ok()?;
    let (start, rest) = bytes.split_at_checked(HEAD)?;
    let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| start[at + i]));
    let hashes = Keyed::new([word(8), word(16)]);
    if start != head(hashes) {
        tracing::warn!(
            "the journal of purges {} is broken or of another version: the store begins anew",
            path.display()
        );
        return None;
    }
    let (records, _half) = rest.as_chunks::<RECORD>();
    let records: Option<Vec<_>> = records.iter().map(Record::read).collect();
    if records.is_none() {
        tracing::warn!(
            "the journal of purges {} is damaged: the store begins anew",
            path.display()
        );
    }
    Some((hashes, records?))
}

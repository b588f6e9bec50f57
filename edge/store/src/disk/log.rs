//! The writer: one thread that appends records to segments, seals them and makes room.
//!
//! Several segments can be open at a time, each for one record at a time: a body that streams has its
//! segment for itself until it ends. A record counts once its head is there, which is written last;
//! what stands behind the last head of a segment that was not sealed is nothing.
//!
//! A record that takes the place of another makes that one worthless, but it may be the first of the
//! two that has to go. Then a record that says so takes its place in the log, as long as an older
//! segment is left; else a restart would bring back what was replaced.

mod room;
mod stream;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::file::DataFile;
use super::format::{self, BLOCK, Head, Kind};
use super::index::Place;
use super::queue::{Order, Put};
use super::{Inner, Object, scan, stats};
use crate::fill::sink::Start;

/// All that there is, is being written.
const NO_ROOM: io::ErrorKind = io::ErrorKind::ResourceBusy;

/// The writer's own.
pub(super) struct Writer {
    inner: Arc<Inner>,
    /// Segments with room that nobody streams into.
    open: Vec<Segment>,
    /// With their sizes, oldest first.
    sealed: VecDeque<(Arc<DataFile>, u64)>,
    /// Bodies on their way, by the address of what is shared of them.
    streams: HashMap<usize, stream::Stream>,
    /// The last one to go stays readable for those who have just found it.
    last_gone: Option<Arc<DataFile>>,
    last_number: u64,
    last_id: u64,
    buffer: Vec<u8>,
}

/// A segment that is written to.
#[derive(Debug)]
struct Segment {
    file: Arc<DataFile>,
    end: u64,
    rows: Vec<(u64, Head)>,
}

impl Writer {
    pub(super) fn new(inner: Arc<Inner>, found: scan::Found) -> Self {
        let bytes: u64 = found.files.iter().map(|(_, size)| size).sum();
        inner.counts.bytes.store(bytes, Relaxed);
        *inner.index.lock() = found.index;
        let mut writer = Self {
            inner,
            open: Vec::new(),
            sealed: found.files.into(),
            streams: HashMap::new(),
            last_gone: None,
            last_number: found.last_number,
            last_id: found.last_id,
            buffer: Vec::new(),
        };
        writer.find_oldest();
        writer
    }

    pub(super) fn run(mut self) {
        while let Some(order) = self.inner.queue.next() {
            self.carry_out(order);
        }
        for (_, stream) in std::mem::take(&mut self.streams) {
            self.open.push(stream.into_segment());
        }
        for segment in std::mem::take(&mut self.open) {
            self.seal(segment);
        }
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Put(put) => {
                self.inner.counts.pending.fetch_sub(put.weight(), Relaxed);
                let done = self.put(&put);
                if done.is_err() {
                    self.inner.forget_variant(put.start.hash, put.start.variant);
                }
                self.report(done);
            }
            Order::Pump(fill) => self.pump(&fill),
            Order::Update { name, start } => {
                let done = self.update(name, &start);
                self.report(done);
            }
            Order::Gone { hash, variant, id } => {
                let done = self.note_gone(hash, variant, id);
                self.report(done);
            }
            Order::RemoveAll(hash) => {
                let removed = self.inner.index.lock().remove_all(hash);
                for entry in removed {
                    let head = entry.object.head;
                    let done = self.note_gone(hash, head.variant, head.id);
                    self.report(done);
                }
            }
            Order::Clear => self.clear(),
            Order::Flush(done) => {
                // Nobody may wait any more.
                let _ = done.send(());
            }
        }
    }

    /// Nothing is written for a while after a failure.
    fn report(&self, done: io::Result<()>) {
        let counts = &self.inner.counts;
        match done {
            Ok(()) => {
                if counts.down.swap(false, Relaxed) {
                    tracing::info!("the cache's disk can be written again");
                }
            }
            // Not the disk's fault.
            Err(error) if error.kind() == NO_ROOM => stats::up(&counts.dropped),
            Err(error) => {
                stats::up(&counts.write_errors);
                self.inner
                    .queue
                    .rest_until(Instant::now() + self.inner.config.retry);
                if !counts.down.swap(true, Relaxed) {
                    let path = self.inner.config.path.display();
                    tracing::error!(%error, "the cache's folder {path} cannot be written, objects stay in memory: {error}");
                }
            }
        }
    }

    fn put(&mut self, put: &Put) -> io::Result<()> {
        // First the room, then the id: what is written again to make room must not be the newer one.
        self.make_room(put.start.total(put.body.len() as u64))?;
        let head = self.head(&put.start, put.body.len() as u64);
        self.fill_buffer(&head, &put.start, &put.body);
        let place = self.append_here(head)?;
        stats::up(&self.inner.counts.written);
        self.inner.index.lock().insert(place);
        Ok(())
    }

    fn update(&mut self, name: u64, start: &Start) -> io::Result<()> {
        // First the room: what is written again to make it has another id then.
        self.make_room(start.total(0))?;
        let Some(id) = self.inner.index.lock().id_of(start.hash, name) else {
            return Ok(());
        };
        let mut head = self.head(start, id);
        head.kind = Kind::Meta;
        self.fill_buffer(&head, start, &[]);
        let done = self.append_here(head);
        let mut index = self.inner.index.lock();
        match done {
            Ok(place) => {
                index.update(place);
                Ok(())
            }
            Err(error) => {
                // With its old metadata it would say what is not true any more.
                index.remove(start.hash, name);
                Err(error)
            }
        }
    }

    fn note_gone(&mut self, hash: u64, variant: u64, id: u64) -> io::Result<()> {
        let start = Start {
            hash,
            variant,
            ..Start::default()
        };
        let mut head = self.head(&start, 0);
        // The numbers of objects that come after it are higher.
        (head.kind, head.id, head.began) = (Kind::Gone, id, u64::MAX);
        self.fill_buffer(&head, &start, &[]);
        self.append(head).map(drop)
    }

    /// The head of a new record.
    fn head(&mut self, start: &Start, body: u64) -> Head {
        self.last_id += 1;
        let salt = self.inner.salts.fetch_add(1, Relaxed);
        Head {
            kind: Kind::Object,
            hash: start.hash,
            variant: start.variant,
            id: self.last_id,
            began: start.began,
            salt,
            body,
            key: start.key.len() as u32,
            meta: start.meta.len() as u32,
            sum: format::sum_of_start(salt, &start.key, &start.meta),
        }
    }

    fn fill_buffer(&mut self, head: &Head, start: &Start, body: &[u8]) {
        let buffer = &mut self.buffer;
        buffer.clear();
        buffer.shrink_to(4 << 20);
        buffer.extend_from_slice(&head.to_bytes(self.inner.store));
        buffer.extend_from_slice(&start.key);
        buffer.extend_from_slice(&start.meta);
        for (index, block) in (0..).zip(body.chunks(BLOCK)) {
            buffer.extend_from_slice(block);
            buffer.extend_from_slice(&format::sum_of(head.salt, index, block).to_le_bytes());
        }
    }

    /// Appends the record in the buffer.
    fn append(&mut self, head: Head) -> io::Result<Place> {
        self.make_room(head.total())?;
        self.append_here(head)
    }

    fn append_here(&mut self, head: Head) -> io::Result<Place> {
        let mut segment = self.take_segment()?;
        let at = segment.end;
        let done = segment.file.write(at, &self.buffer);
        if done.is_ok() {
            segment.add(head);
            self.grown(head.total());
        }
        let file = Arc::clone(&segment.file);
        if done.is_ok() {
            self.put_back(segment);
        } else {
            // Another file may take more than this one.
            self.seal(segment);
        }
        done.map(|()| Place { file, at, head })
    }

    fn grown(&self, bytes: u64) {
        self.inner.counts.bytes.fetch_add(bytes, Relaxed);
        self.inner.counts.written_bytes.fetch_add(bytes, Relaxed);
    }

    fn shrunk(&self, bytes: u64) {
        let counted = &self.inner.counts.bytes;
        counted.store(counted.load(Relaxed).saturating_sub(bytes), Relaxed);
    }

    fn take_segment(&mut self) -> io::Result<Segment> {
        if let Some(segment) = self.open.pop() {
            return Ok(segment);
        }
        self.last_number += 1;
        let file = DataFile::create(&self.inner.config.path, self.last_number)?;
        Ok(Segment {
            file: Arc::new(file),
            end: 0,
            rows: Vec::new(),
        })
    }

    fn put_back(&mut self, segment: Segment) {
        if segment.end < self.inner.config.segment_bytes {
            self.open.push(segment);
        } else {
            self.seal(segment);
        }
    }

    fn seal(&mut self, segment: Segment) {
        if segment.rows.is_empty() {
            segment.file.retire();
            return;
        }
        let Segment { file, end, rows } = segment;
        let size = match scan::seal(&file, end, &rows, self.inner.store) {
            Ok(size) => {
                self.grown(size - end);
                size
            }
            // At the next start its heads are read.
            Err(error) => {
                self.report(Err(error));
                end
            }
        };
        self.sealed.push_back((file, size));
        self.find_oldest();
    }

    /// Removes everything but what is on its way.
    fn clear(&mut self) {
        self.inner.index.lock().clear();
        let open = std::mem::take(&mut self.open);
        for segment in open {
            self.shrunk(segment.end);
            segment.file.retire();
        }
        for (file, size) in std::mem::take(&mut self.sealed) {
            self.shrunk(size);
            file.retire();
        }
        self.find_oldest();
    }

    fn find_oldest(&mut self) {
        let sealed = self.sealed.iter().map(|(file, _)| file);
        let open = self.open.iter().map(|segment| &segment.file);
        let streams = self.streams.values().map(stream::Stream::oldest);
        let files = sealed.chain(open).map(|file| file.oldest.load(Relaxed));
        let oldest = files.chain(streams).min().unwrap_or(u64::MAX);
        self.inner.oldest.store(oldest, Relaxed);
    }
}

impl Segment {
    /// Notes a record at its end.
    fn add(&mut self, head: Head) {
        self.rows.push((self.end, head));
        self.end += head.total();
        self.file.note(&head);
    }
}

impl Drop for Writer {
    /// Nothing more is done, were it by a panic: nobody may wait for it.
    fn drop(&mut self) {
        self.inner.queue.end();
    }
}

impl Writer {
    fn object(place: &Place) -> Object {
        Object::of(place, place.head.id)
    }
}

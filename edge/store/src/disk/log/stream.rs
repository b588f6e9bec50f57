//! Bodies that are written while they are filled.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::super::format::{self, BLOCK, HEAD, Head, Kind, SUM};
use super::super::index::Place;
use super::super::{Span, stats};
use super::{NO_ROOM, Segment, Writer};
use crate::fill::Shared;
use crate::fill::sink::{Start, Step};

/// A body on its way, in a segment that is its own for that time.
pub(super) struct Stream {
    segment: Segment,
    start: Start,
    span: Span,
    /// Bytes of the body that are written.
    written: u64,
}

impl Stream {
    pub(super) fn oldest(&self) -> u64 {
        self.segment.file.oldest.load(Relaxed).min(self.start.began)
    }

    /// Where its blocks end.
    fn end(&self) -> u64 {
        self.span.at + format::with_sums(self.written)
    }

    /// The segment, with what was written of the body as a gap: readers may still have it.
    pub(super) fn into_segment(self) -> Segment {
        let mut segment = self.segment;
        if self.written > 0 {
            let end = self.span.at + format::with_sums(self.written);
            let skip = Head {
                kind: Kind::Skip,
                hash: 0,
                variant: 0,
                id: u64::MAX,
                began: u64::MAX,
                salt: 0,
                body: end - segment.end - HEAD as u64,
                key: 0,
                meta: 0,
                sum: 0,
            };
            segment.add(skip);
        }
        segment
    }
}

impl Writer {
    /// Looks at a body on its way and writes what there is of it.
    pub(super) fn pump(&mut self, fill: &Arc<Shared>) {
        fill.unqueue();
        let name = Arc::as_ptr(fill).addr();
        let mut block = std::mem::take(&mut self.buffer);
        loop {
            let done = match fill.step(&mut block) {
                Step::Wait => break,
                Step::Block => self.write_block(name, fill, &block),
                Step::End { length, done } => match self.end(name, fill, length) {
                    Ok(place) => {
                        if let Some(done) = done {
                            // Whoever filled may not wait any more.
                            let _ = done.send(Some(Self::object(&place)));
                        }
                        self.report(Ok(()));
                        break;
                    }
                    Err(error) => Err(error),
                },
                Step::Drop => {
                    self.drop_stream(name);
                    break;
                }
            };
            if let Err(error) = done {
                self.report(Err(error));
                fill.refuse();
                let start = fill.start();
                self.inner.forget_variant(start.hash, start.variant);
                self.drop_stream(name);
                break;
            }
        }
        self.buffer = block;
        self.inner.queue.set_streams(self.streams.len());
    }

    fn stream(&mut self, name: usize, fill: &Shared) -> io::Result<&mut Stream> {
        // An entry cannot be used here: making one needs all of the writer.
        if !self.streams.contains_key(&name) {
            let segment = self.take_segment()?;
            let start = fill.start();
            let at = segment.end + (HEAD + start.key.len() + start.meta.len()) as u64;
            let salt = self.inner.salts.fetch_add(1, Relaxed);
            let file = Arc::clone(&segment.file);
            let stream = Stream {
                segment,
                start,
                span: Span { file, at, salt },
                written: 0,
            };
            self.streams.insert(name, stream);
            self.find_oldest();
        }
        let missing = || io::Error::other("the stream is not there");
        self.streams.get_mut(&name).ok_or_else(missing)
    }

    fn write_block(&mut self, name: usize, fill: &Arc<Shared>, block: &[u8]) -> io::Result<()> {
        self.make_room((BLOCK + SUM) as u64)?;
        let largest = self.inner.config.largest();
        let stream = self.stream(name, fill)?;
        if stream.written + block.len() as u64 > largest {
            return Err(NO_ROOM.into());
        }
        let index = stream.written / BLOCK as u64;
        let sum = format::sum_of(stream.span.salt, index, block);
        let at = stream.end();
        stream.span.file.write(at, block)?;
        stream
            .span
            .file
            .write(at + block.len() as u64, &sum.to_le_bytes())?;
        stream.written += block.len() as u64;
        let span = stream.span.clone();
        self.grown((block.len() + SUM) as u64);
        fill.written(&span, block.len());
        Ok(())
    }

    /// Writes the head: now it counts.
    fn end(&mut self, name: usize, fill: &Arc<Shared>, length: u64) -> io::Result<Place> {
        self.stream(name, fill)?;
        let missing = || io::Error::other("the stream is not there");
        let head = self.head(&fill.start(), length);
        let store = self.inner.store;
        let stream = self.streams.get_mut(&name).ok_or_else(missing)?;
        if stream.written != length {
            return Err(io::Error::other("the body is not written as a whole"));
        }
        let start = &stream.start;
        let head = Head {
            salt: stream.span.salt,
            sum: format::sum_of_start(stream.span.salt, &start.key, &start.meta),
            ..head
        };
        let mut bytes = head.to_bytes(store).to_vec();
        bytes.extend_from_slice(&start.key);
        bytes.extend_from_slice(&start.meta);
        let at = stream.segment.end;
        stream.segment.file.write(at, &bytes)?;
        self.grown(bytes.len() as u64);
        let stream = self.streams.remove(&name).ok_or_else(missing)?;
        let mut segment = stream.segment;
        segment.add(head);
        let place = Place {
            file: Arc::clone(&segment.file),
            at,
            head,
        };
        stats::up(&self.inner.counts.written);
        self.inner.index.lock().insert(place.clone());
        self.put_back(segment);
        Ok(place)
    }

    /// Leaves a body that is not to be kept, or cannot be.
    fn drop_stream(&mut self, name: usize) {
        let Some(stream) = self.streams.remove(&name) else {
            return;
        };
        let counted = format::with_sums(stream.written);
        let before = stream.segment.end;
        let segment = stream.into_segment();
        self.grown((segment.end - before).saturating_sub(counted));
        // The head of a gap, without which the records behind it are not found by a scan.
        let written = match segment.rows.last() {
            Some((at, head)) if head.kind == Kind::Skip => {
                segment.file.write(*at, &head.to_bytes(self.inner.store))
            }
            _ => Ok(()),
        };
        match written {
            Ok(()) => self.put_back(segment),
            Err(error) => {
                self.report(Err(error));
                self.seal(segment);
            }
        }
    }
}

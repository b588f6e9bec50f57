//! What is known of a body on its way, under its lock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Waker;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::sync::oneshot;

use super::Shared;
use crate::disk::{Inner, Object, Span};

/// Where a body is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// In memory, all of it.
    Memory,
    /// On disk; in memory what is not yet written.
    Disk,
    /// Nowhere; in memory what the slowest reader has not had.
    Nothing,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) keep: Keep,
    /// Each with where it begins.
    chunks: VecDeque<(u64, Bytes)>,
    /// Where the first chunk begins: what is before that is on disk, or nowhere.
    pub(crate) base: u64,
    pub(crate) length: u64,
    /// Whether it ended well.
    pub(crate) end: Option<bool>,
    /// Where on disk it is, up to `on_disk`.
    pub(crate) span: Option<Span>,
    pub(crate) on_disk: u64,
    /// The disk tier was told to look.
    pub(crate) queued: bool,
    /// The disk tier has seen that it is whole. Its end may be told of again after that: the order to
    /// look at it can come when it was found on the look before.
    pub(crate) taken: bool,
    pub(crate) done: Option<oneshot::Sender<Option<Object>>>,
    pub(crate) writer: Option<Waker>,
    readers: Vec<Option<Place>>,
}

/// A reader.
#[derive(Debug)]
struct Place {
    at: u64,
    waker: Option<Waker>,
}

/// Who is to be woken, without the lock.
#[must_use]
pub(crate) struct Wakers(Vec<Waker>);

impl Wakers {
    pub(crate) fn wake(self) {
        self.0.into_iter().for_each(Waker::wake);
    }
}

impl State {
    pub(super) fn new(keep: Keep) -> Self {
        Self {
            keep,
            chunks: VecDeque::new(),
            base: 0,
            length: 0,
            end: None,
            span: None,
            on_disk: 0,
            queued: false,
            taken: false,
            done: None,
            writer: None,
            readers: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, chunk: Bytes) {
        let at = self.length;
        self.length += chunk.len() as u64;
        self.chunks.push_back((at, chunk));
        if self.keep == Keep::Nothing {
            self.trim();
        }
    }

    /// All of it, in an allocation of its own and of its size: chunks share the buffers of the
    /// connection that they were read from.
    pub(super) fn whole(&self) -> Bytes {
        let mut whole = BytesMut::with_capacity(self.length as usize);
        for (_, chunk) in &self.chunks {
            whole.extend_from_slice(chunk);
        }
        whole.freeze()
    }

    /// The bytes from `at` on that are here in one piece.
    pub(super) fn chunk_at(&self, at: u64) -> Option<Bytes> {
        let next = self.chunks.partition_point(|(begin, _)| *begin <= at);
        let (begin, chunk) = self.chunks.get(next.checked_sub(1)?)?;
        let skip = usize::try_from(at - begin).ok()?;
        (skip < chunk.len()).then(|| chunk.slice(skip..))
    }

    /// Copies the first bytes that are here.
    pub(super) fn copy(&self, to: &mut Vec<u8>, length: usize) {
        for (_, chunk) in &self.chunks {
            let left = length - to.len();
            to.extend_from_slice(&chunk[..chunk.len().min(left)]);
            if left <= chunk.len() {
                return;
            }
        }
    }

    /// Drops what is before `to`.
    pub(super) fn drop_before(&mut self, to: u64) {
        while let Some((at, chunk)) = self.chunks.front_mut()
            && *at < to
        {
            let skip = (to - *at).min(chunk.len() as u64);
            chunk.advance(skip as usize);
            *at += skip;
            if chunk.is_empty() {
                self.chunks.pop_front();
            }
        }
        self.base = self.base.max(to);
    }

    /// Whether the disk tier has to be told.
    pub(super) fn wants_disk(&self) -> bool {
        let waiting = (self.length - self.base) as usize;
        !self.queued && (waiting >= crate::disk::BLOCK || self.keep != Keep::Disk)
    }

    /// When nothing is kept: drops what all readers have had.
    pub(super) fn trim(&mut self) {
        if self.keep == Keep::Nothing {
            let slowest = self.readers.iter().flatten().map(|reader| reader.at).min();
            self.drop_before(slowest.unwrap_or(self.length).max(self.base));
        }
    }

    pub(super) fn readers(&self) -> usize {
        self.readers.iter().flatten().count()
    }

    pub(super) fn join(&mut self, at: u64) -> usize {
        let place = Some(Place { at, waker: None });
        if let Some(free) = self.readers.iter().position(Option::is_none) {
            self.readers[free] = place;
            return free;
        }
        self.readers.push(place);
        self.readers.len() - 1
    }

    pub(super) fn leave(&mut self, reader: usize) -> Option<Waker> {
        self.readers[reader] = None;
        self.trim();
        self.writer.take()
    }

    /// A reader has had all before `at`.
    pub(super) fn move_to(&mut self, reader: usize, at: u64) -> Option<Waker> {
        if let Some(place) = &mut self.readers[reader] {
            place.at = at;
            place.waker = None;
        }
        if self.keep != Keep::Nothing {
            return None;
        }
        self.trim();
        self.writer.take()
    }

    pub(super) fn wait(&mut self, reader: usize, waker: &Waker) {
        if let Some(place) = &mut self.readers[reader] {
            place.waker = Some(waker.clone());
        }
    }

    /// All that wait.
    pub(super) fn wakers(&mut self) -> Wakers {
        let readers = self.readers.iter_mut().flatten();
        let readers = readers.filter_map(|reader| reader.waker.take());
        Wakers(readers.chain(self.writer.take()).collect())
    }
}

impl Shared {
    /// The disk tier, when it has the body.
    pub(super) fn disk(&self) -> Option<&Arc<Inner>> {
        self.disk.get().map(|(disk, _)| disk)
    }

    /// Does not write it to disk, or any more of it.
    pub(super) fn leave_disk(&self, state: &mut State) {
        if state.keep == Keep::Disk
            && let Some(disk) = self.disk()
        {
            let waiting = (state.length - state.base) as usize;
            disk.counts.pending.fetch_sub(waiting, Relaxed);
        }
        state.keep = Keep::Nothing;
    }
}

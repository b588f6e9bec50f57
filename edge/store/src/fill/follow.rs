//! A reader of a body on its way.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::Shared;
use super::state::Keep;
use crate::disk::{ReadError, Reading};

/// Reads a body while it is filled, and goes on to its end when it is whole.
pub struct Follower {
    shared: Arc<Shared>,
    reader: usize,
    at: u64,
    end: u64,
    ready: VecDeque<Bytes>,
    reading: Option<Reading>,
    failed: bool,
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { at, end, .. } = self;
        write!(f, "Follower({at}..{end})")
    }
}

impl Follower {
    pub(super) fn new(shared: Arc<Shared>, part: std::ops::Range<u64>) -> Option<Self> {
        let mut state = shared.state.lock();
        // Who joins late gets nothing that is kept nowhere.
        if state.keep == Keep::Nothing && (part.start < state.base || state.base > 0) {
            return None;
        }
        let reader = state.join(part.start);
        drop(state);
        Some(Self {
            shared,
            reader,
            at: part.start,
            end: part.end,
            ready: VecDeque::new(),
            reading: None,
            failed: false,
        })
    }

    /// The next chunk; none at the end.
    ///
    /// # Errors
    ///
    /// [`ReadError`], when the body was cut off or the disk fails.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ReadError>>> {
        loop {
            if self.failed {
                return Poll::Ready(None);
            }
            if let Some(chunk) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(self.give(chunk))));
            }
            if let Some(reading) = &mut self.reading {
                let read = ready!(reading.as_mut().poll(cx));
                self.reading = None;
                match read {
                    Ok(blocks) => self.ready = blocks,
                    Err(error) => return self.fail(error),
                }
                continue;
            }
            if self.at >= self.end {
                return Poll::Ready(None);
            }
            let mut state = self.shared.state.lock();
            if self.at < state.base {
                let (end, have) = (self.end.min(state.on_disk), state.on_disk);
                let span = state.span.clone().filter(|_| self.at < have);
                drop(state);
                match (span, self.shared.disk()) {
                    (Some(span), Some(disk)) => {
                        self.reading = Some(span.read(disk, self.at, end, have));
                    }
                    _ => return self.fail(ReadError::Gone),
                }
                continue;
            }
            if let Some(chunk) = state.chunk_at(self.at) {
                drop(state);
                return Poll::Ready(Some(Ok(self.give(chunk))));
            }
            match state.end {
                Some(true) => return Poll::Ready(None),
                Some(false) => {
                    drop(state);
                    return self.fail(ReadError::CutOff);
                }
                None => {
                    state.wait(self.reader, cx.waker());
                    return Poll::Pending;
                }
            }
        }
    }

    /// The next chunk; none at the end.
    ///
    /// # Errors
    ///
    /// As [`Follower::poll_next`].
    pub async fn next(&mut self) -> Option<Result<Bytes, ReadError>> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Whether there is nothing more to come.
    #[must_use]
    pub fn is_done(&self) -> bool {
        if self.failed || self.at >= self.end {
            return true;
        }
        let state = self.shared.state.lock();
        state.end == Some(true) && self.at >= state.length
    }

    fn give(&mut self, mut chunk: Bytes) -> Bytes {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        chunk.truncate(left);
        self.at += chunk.len() as u64;
        let writer = self.shared.state.lock().move_to(self.reader, self.at);
        if let Some(writer) = writer {
            writer.wake();
        }
        chunk
    }

    fn fail(&mut self, error: ReadError) -> Poll<Option<Result<Bytes, ReadError>>> {
        self.failed = true;
        Poll::Ready(Some(Err(error)))
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let writer = self.shared.state.lock().leave(self.reader);
        if let Some(writer) = writer {
            writer.wake();
        }
    }
}

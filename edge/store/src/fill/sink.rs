//! What the disk tier sees of a body on its way.

use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::Shared;
use super::state::{Keep, Wakers};
use crate::disk::{BLOCK, HEAD, Object, Span, with_sums};

/// What is written before a body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Start {
    pub(crate) hash: u64,
    pub(crate) variant: u64,
    pub(crate) began: u64,
    pub(crate) key: Bytes,
    pub(crate) meta: Bytes,
}

impl Start {
    /// Bytes of a record of it in a file.
    pub(crate) fn total(&self, body: u64) -> u64 {
        let head = HEAD + self.key.len() + self.meta.len();
        head as u64 + with_sums(body)
    }
}

/// What is to be done for a body.
pub(crate) enum Step {
    /// Write this block.
    Block,
    /// It is whole.
    End {
        length: u64,
        done: Option<oneshot::Sender<Option<Object>>>,
    },
    /// It is not to be kept.
    Drop,
    /// Nothing for now.
    Wait,
}

impl Shared {
    /// What is written before it.
    pub(crate) fn start(&self) -> Start {
        let start = self.disk.get().map(|(_, start)| start.clone());
        start.unwrap_or_default()
    }

    /// Takes up an order to look at it.
    pub(crate) fn unqueue(&self) {
        self.state.lock().queued = false;
    }

    /// Notes that there is an order to look at it; false when there is one already.
    pub(crate) fn queue(&self) -> bool {
        !std::mem::replace(&mut self.state.lock().queued, true)
    }

    /// What to do next; a block to write is copied to `block`.
    pub(crate) fn step(&self, block: &mut Vec<u8>) -> Step {
        block.clear();
        let mut state = self.state.lock();
        if state.keep != Keep::Disk {
            return Step::Drop;
        }
        if state.taken {
            return Step::Wait;
        }
        let waiting = (state.length - state.base) as usize;
        let ended = state.end == Some(true);
        if waiting >= BLOCK || (ended && waiting > 0) {
            state.copy(block, waiting.min(BLOCK));
            return Step::Block;
        }
        if ended {
            state.taken = true;
            return Step::End {
                length: state.length,
                done: state.done.take(),
            };
        }
        Step::Wait
    }

    /// A block was written: readers find it there.
    pub(crate) fn written(&self, span: &Span, length: usize) {
        let mut state = self.state.lock();
        if state.span.is_none() {
            state.span = Some(span.clone());
        }
        state.on_disk += length as u64;
        if state.keep != Keep::Disk {
            return;
        }
        let to = state.base + length as u64;
        state.drop_before(to);
        let writer = state.writer.take();
        drop(state);
        if let Some(disk) = self.disk() {
            disk.counts.pending.fetch_sub(length, Relaxed);
        }
        if let Some(writer) = writer {
            writer.wake();
        }
    }

    /// It cannot be written, or no more of it.
    pub(crate) fn refuse(&self) {
        let mut state = self.state.lock();
        self.leave_disk(&mut state);
        state.trim();
        let done = state.done.take();
        let wakers: Wakers = state.wakers();
        drop(state);
        if let Some(done) = done {
            // Whoever filled may not wait any more.
            let _ = done.send(None);
        }
        wakers.wake();
    }
}

//! A body on its way into the store, which any number of readers may follow.
//!
//! Whoever fills does not wait for readers, because others wait for what is filled. The body is kept
//! in memory as a whole, or, with the disk tier behind it, only as far as it was not yet written: a
//! reader who is slower than that reads from disk. When it turns out that the body cannot be kept
//! ([`Filler::give_up`]) nobody may join any more, those who follow get it to its end, and whoever
//! fills waits for the slowest of them ([`Filler::room`]).

mod follow;
pub(crate) mod sink;
mod state;
#[cfg(test)]
mod tests;

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};
use std::task::Poll;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::disk::{Inner, Object};
pub use follow::Follower;
use state::{Keep, State};

/// When nothing is kept any more, so many bytes wait for the slowest reader and no more.
const WINDOW: u64 = 256 * 1024;

/// Puts a body in. Dropped before its end, those who follow get an error.
#[derive(Debug)]
pub struct Filler {
    fill: Fill,
    ended: bool,
}

/// A body on its way, for those who follow it.
#[derive(Clone, Debug)]
pub struct Fill(pub(crate) Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) state: Mutex<State>,
    /// The disk tier, once it has taken the body over, and what it writes before that.
    pub(crate) disk: OnceLock<(Arc<Inner>, sink::Start)>,
}

/// What became of a body.
#[derive(Debug)]
pub enum Filled {
    /// It is here.
    Memory(Bytes),
    /// It is on disk.
    Disk(Object),
    /// It was not kept.
    Nothing,
}

impl Filler {
    /// A body that is kept in memory.
    #[must_use]
    pub fn in_memory() -> Self {
        let shared = Shared {
            state: Mutex::new(State::new(Keep::Memory)),
            disk: OnceLock::new(),
        };
        let fill = Fill(Arc::new(shared));
        Self { fill, ended: false }
    }

    /// Has the disk tier take the body over, and what there is of it so far.
    pub(crate) fn go_to_disk(&self, disk: Arc<Inner>, start: sink::Start) {
        let shared = &self.fill.0;
        let mut state = shared.state.lock();
        let counts = &disk.counts;
        if state.keep != Keep::Memory {
            return;
        }
        counts.pending.fetch_add(state.length as usize, Relaxed);
        state.keep = Keep::Disk;
        let first = shared.disk.set((disk, start)).is_ok();
        debug_assert!(first, "only what is in memory goes to disk");
        let to_disk = state.wants_disk();
        drop(state);
        if to_disk {
            self.fill.pump();
        }
    }

    /// For those who follow.
    #[must_use]
    pub fn fill(&self) -> Fill {
        self.fill.clone()
    }

    /// How long the body is so far.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.fill.0.state.lock().length
    }

    /// Whether the body is still kept.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.fill.0.state.lock().keep != Keep::Nothing
    }

    /// Appends to the body. Never waits: [`Filler::room`] does.
    pub fn append(&self, chunk: Bytes) {
        if chunk.is_empty() {
            return;
        }
        let shared = &self.fill.0;
        let mut state = shared.state.lock();
        let length = chunk.len();
        state.push(chunk);
        let to_disk = match shared.disk() {
            Some(disk) if state.keep == Keep::Disk => {
                let pending = disk.counts.pending.fetch_add(length, Relaxed) + length;
                if pending > 2 * disk.config.write_buffer {
                    disk.dropped();
                    shared.leave_disk(&mut state);
                }
                state.wants_disk()
            }
            _ => false,
        };
        let wakers = state.wakers();
        drop(state);
        wakers.wake();
        if to_disk {
            self.fill.pump();
        }
    }

    /// Does not keep the body: it is too large, or takes too long. Those who follow get all of it.
    pub fn give_up(&self) {
        let mut state = self.fill.0.state.lock();
        let was_on_disk = state.keep == Keep::Disk;
        self.fill.0.leave_disk(&mut state);
        state.trim();
        drop(state);
        if was_on_disk {
            self.fill.pump();
        }
    }

    /// Waits until there is room for more: on disk, or, when nothing is kept, before the slowest
    /// reader. False when nothing is kept and nobody reads.
    pub async fn room(&self) -> bool {
        let shared = &self.fill.0;
        std::future::poll_fn(|cx| {
            let mut state = shared.state.lock();
            let room = match state.keep {
                Keep::Memory => true,
                Keep::Disk => shared.disk().is_none_or(|disk| {
                    // Only what of this body waits to be written will wake it.
                    disk.counts.pending.load(Relaxed) <= disk.config.write_buffer
                        || state.length - state.base < crate::disk::BLOCK as u64
                }),
                Keep::Nothing if state.readers() == 0 => return Poll::Ready(false),
                Keep::Nothing => state.length - state.base <= WINDOW,
            };
            if room {
                return Poll::Ready(true);
            }
            state.writer = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Whether anybody follows.
    #[must_use]
    pub fn has_readers(&self) -> bool {
        self.fill.0.state.lock().readers() > 0
    }

    /// The body is whole.
    pub async fn finish(mut self) -> Filled {
        self.ended = true;
        let shared = Arc::clone(&self.fill.0);
        let (done, stored) = oneshot::channel();
        let (filled, wakers) = {
            let mut state = shared.state.lock();
            state.end = Some(true);
            let filled = match state.keep {
                Keep::Memory => Some(Filled::Memory(state.whole())),
                Keep::Nothing => Some(Filled::Nothing),
                Keep::Disk => {
                    state.done = Some(done);
                    None
                }
            };
            (filled, state.wakers())
        };
        wakers.wake();
        if let Some(filled) = filled {
            return filled;
        }
        self.fill.pump();
        let object = stored.await.ok().flatten();
        object.map_or(Filled::Nothing, Filled::Disk)
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let mut state = self.fill.0.state.lock();
        state.end = Some(false);
        let was_on_disk = state.keep == Keep::Disk;
        self.fill.0.leave_disk(&mut state);
        let wakers = state.wakers();
        drop(state);
        wakers.wake();
        if was_on_disk {
            self.fill.pump();
        }
    }
}

impl Fill {
    /// How long the body is so far, and whether that is all of it.
    #[must_use]
    pub fn length(&self) -> (u64, bool) {
        let state = self.0.state.lock();
        (state.length, state.end == Some(true))
    }

    /// Whether who joins now gets it from its beginning.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let state = self.0.state.lock();
        state.keep != Keep::Nothing && state.end != Some(false)
    }

    /// Follows a part of the body from where it is. None when it is not there any more.
    #[must_use]
    pub fn follow(&self, part: std::ops::Range<u64>) -> Option<Follower> {
        Follower::new(Arc::clone(&self.0), part)
    }

    /// Has the disk tier look at it.
    fn pump(&self) {
        if let Some(disk) = self.0.disk() {
            disk.pump(&self.0);
        }
    }
}

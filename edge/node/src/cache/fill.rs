//! Collecting the body of an answer while it streams to its client, and to all others that ask for it.
//!
//! A body that is here already is stored at once. Any other is read by a task of its own, as fast as
//! the upstream gives it, so that a slow client, or one that leaves, holds up nobody who follows. What
//! all bodies on their way may take together is bounded; one that grows too large for memory goes to
//! disk, and where it cannot it streams on at its slowest reader's pace and is not stored. A body that
//! breaks off is never stored.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use http_body::{Body as _, Frame};
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use zephyr_store::{Filled, Filler};

use super::Cache;
use super::content::{self, Content, Tail};
use super::keep::Keep;
use crate::body::Body;
use crate::error::BoxError;

/// What is read on the spot before a task is made for the rest.
const AT_ONCE: usize = 256 * 1024;
/// How often the tasks of connections get a turn before that.
const YIELDS: u32 = 2;
/// How long a body is still read for the store when its client has left, and how long it may be
/// silent.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a body waits for the disk before it is not stored.
const DISK_PATIENCE: Duration = Duration::from_secs(1);
/// All bodies on their way take at most this share of the cache's bytes.
const FILLING_SHARE: u64 = 4;

/// What a body on its way takes of the memory for all of them, until dropped.
#[derive(Debug)]
pub(super) struct Weight {
    cache: Arc<Cache>,
    own: usize,
}

impl Weight {
    pub(super) fn new(cache: Arc<Cache>) -> Self {
        Self { cache, own: 0 }
    }

    /// Takes a chunk; false when that is too much for all.
    pub(super) fn add(&mut self, chunk: usize) -> bool {
        // Chunks of a few bytes cost more than those bytes.
        let weight = chunk + 64;
        let filling = self.cache.filling.fetch_add(weight, Relaxed) + weight;
        self.own += weight;
        let all = self.cache.config.max_bytes / FILLING_SHARE;
        let all = usize::try_from(all).unwrap_or(usize::MAX);
        filling <= all.max(self.cache.largest_in_memory)
    }

    fn release(&mut self) {
        self.cache.filling.fetch_sub(self.own, Relaxed);
        self.own = 0;
    }
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.release();
    }
}

/// Collects a body and stores it with `keep`; gives the client's body.
pub(super) async fn collect(mut body: Body, keep: Keep) -> Body {
    let expected = body.size_hint();
    let mut weight = Weight::new(Arc::clone(&keep.cache));
    let (mut frames, mut length) = (Vec::new(), 0);
    let mut yields = 0;
    let mut broken = None;
    let in_memory = keep.cache.largest_in_memory;
    while length <= in_memory && weight.own < AT_ONCE {
        match body.frame().now_or_never() {
            Some(Some(Ok(frame))) => {
                let data = frame.data_ref().map_or(0, Bytes::len);
                length += data;
                let fits = weight.add(data) && length <= in_memory;
                frames.push(frame);
                if fits && body.is_end_stream() {
                    return collected(keep, length, frames);
                }
                if !fits {
                    break;
                }
            }
            Some(None) => return collected(keep, length, frames),
            Some(Some(Err(error))) => {
                broken = Some(error);
                break;
            }
            // What has come with the head is handed over by the connection's own task.
            None if yields < YIELDS => {
                yields += 1;
                tokio::task::yield_now().await;
            }
            None => break,
        }
    }
    let filler = Filler::in_memory();
    let tail = Arc::new(Mutex::new(Tail::default()));
    let follower = filler.fill().follow(0..u64::MAX);
    let reader = content::followed(follower, &expected, Arc::clone(&tail));
    weight.release();
    let mut filling = Filling {
        keep: Some(keep),
        filler,
        weight: Some(weight),
        tail,
    };
    if let Some(error) = broken {
        frames.into_iter().for_each(|frame| filling.append(frame));
        filling.break_off(error);
        return reader;
    }
    filling.begin(expected.exact());
    for frame in frames {
        filling.take(frame);
    }
    tokio::task::spawn_local(pump(body, filling));
    reader
}

/// All of it was here.
fn collected(keep: Keep, length: usize, frames: Vec<Frame<Bytes>>) -> Body {
    // One piece, in an allocation of its own and of its size: chunks share the buffers of the
    // connection that they were read from.
    let mut whole = BytesMut::with_capacity(length);
    let data = frames.iter().filter_map(Frame::data_ref);
    data.for_each(|chunk| whole.extend_from_slice(chunk));
    let bytes = whole.freeze();
    if keep.is_whole(length as u64) {
        keep.store(Content::Memory(bytes.clone()));
    } else {
        drop(keep);
    }
    let trailers = frames
        .into_iter()
        .find_map(|frame| frame.into_trailers().ok());
    let Some(trailers) = trailers else {
        return Body::full(bytes);
    };
    // For this client; they are not stored (RFC 9111, section 3.1).
    let body = http_body_util::Full::new(bytes);
    Body::stream(body.with_trailers(std::future::ready(Some(Ok(trailers)))))
}

/// A body on its way.
struct Filling {
    /// What it is to be stored with; none when it is not going to be.
    keep: Option<Keep>,
    filler: Filler,
    /// None once the disk has it.
    weight: Option<Weight>,
    tail: Arc<Mutex<Tail>>,
}

impl Filling {
    /// Lets others follow, and sees to it that one that is known to be large goes to disk.
    fn begin(&mut self, expected: Option<u64>) {
        let Some(keep) = &self.keep else { return };
        if expected.is_some_and(|length| length > keep.cache.largest_in_memory as u64) {
            self.move_to_disk(expected);
        }
        if let Some(keep) = &self.keep {
            keep.share(Content::Filling(self.filler.fill(), expected));
        }
    }

    fn move_to_disk(&mut self, expected: Option<u64>) {
        let Some(keep) = &self.keep else { return };
        if keep.to_disk(&self.filler, expected) {
            self.weight = None;
        } else {
            self.give_up();
        }
    }

    /// Takes a frame, and sees to where it is kept.
    fn take(&mut self, frame: Frame<Bytes>) {
        let data = frame.data_ref().map_or(0, Bytes::len);
        if let Some(keep) = &self.keep {
            let length = self.filler.length() + data as u64;
            let (in_memory, largest) = (keep.cache.largest_in_memory as u64, keep.cache.largest);
            match &mut self.weight {
                Some(weight) => {
                    let fits = weight.add(data) && length <= in_memory;
                    if !fits {
                        self.move_to_disk(None);
                    }
                }
                None if length > largest => self.give_up(),
                None => {}
            }
        }
        self.append(frame);
    }

    fn append(&mut self, frame: Frame<Bytes>) {
        match frame.into_data() {
            Ok(data) => self.filler.append(data),
            Err(frame) => self.tail.lock().trailers = frame.into_trailers().ok(),
        }
    }

    /// Does not store it.
    fn give_up(&mut self) {
        self.filler.give_up();
        self.weight = None;
        if let Some(keep) = self.keep.take() {
            keep.give_up();
        }
    }

    fn break_off(mut self, error: BoxError) {
        // First those who wait, so that one of them fetches again.
        drop(self.keep.take());
        self.tail.lock().error = Some(error);
    }

    /// Waits until more may come; false when nobody needs it.
    async fn room(&mut self, left_at: &mut Option<Instant>) -> bool {
        if self.keep.is_some() && self.weight.is_none() {
            let room = tokio::time::timeout(DISK_PATIENCE, self.filler.room());
            if room.await.is_err() || !self.filler.is_kept() {
                self.give_up();
            }
        }
        if self.keep.is_none() {
            return self.filler.room().await;
        }
        if self.filler.has_readers() {
            *left_at = None;
            return true;
        }
        left_at.get_or_insert_with(Instant::now).elapsed() <= PATIENCE
    }

    /// Stores what is whole. This comes before the client sees the end: what it asks for next is a hit,
    /// or follows until it is.
    async fn finish(mut self) {
        let keep = self.keep.take();
        let whole = keep.filter(|keep| keep.is_whole(self.filler.length()));
        let Some(keep) = whole else {
            self.filler.give_up();
            self.filler.finish().await;
            return;
        };
        match self.filler.finish().await {
            Filled::Memory(bytes) => drop(keep.store(Content::Memory(bytes))),
            Filled::Disk(object) => keep.store_written(object),
            Filled::Nothing => keep.give_up(),
        }
    }
}

/// Reads the rest.
async fn pump(mut body: Body, mut filling: Filling) {
    let mut left_at = None;
    loop {
        let frame = match next(&mut body, filling.keep.is_some()).await {
            Next::Frame(frame) => frame,
            Next::End => break,
            Next::Broken(error) => {
                filling.break_off(error);
                return;
            }
            Next::Stalled => {
                filling.give_up();
                if !filling.filler.has_readers() {
                    return;
                }
                continue;
            }
        };
        filling.take(frame);
        if body.is_end_stream() {
            break;
        }
        if !filling.room(&mut left_at).await {
            return;
        }
    }
    filling.finish().await;
}

/// What a body does next.
pub(super) enum Next {
    Frame(Frame<Bytes>),
    End,
    Broken(BoxError),
    Stalled,
}

/// Upstreams have a limit of their own for how long they may be silent; this one is for bodies that
/// have none, while others wait for them.
pub(super) async fn next(body: &mut Body, awaited: bool) -> Next {
    let frame = if awaited {
        match tokio::time::timeout(PATIENCE, body.frame()).await {
            Ok(frame) => frame,
            Err(_) => return Next::Stalled,
        }
    } else {
        body.frame().await
    };
    match frame {
        Some(Ok(frame)) => Next::Frame(frame),
        Some(Err(error)) => Next::Broken(error),
        None => Next::End,
    }
}

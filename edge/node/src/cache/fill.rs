//! Collecting the body of an answer while it streams to its client.
//!
//! A body that is here already is stored at once. Any other is read by a task of its own, as fast as
//! the upstream gives it, so that a slow client, or one that leaves, holds up nobody who waits. What
//! all bodies on their way may take together is bounded; one that grows too large streams on at its
//! client's pace and is not stored. A body that breaks off is never stored.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;

use super::Cache;
use super::keep::Keep;
use super::pipe::{self, Writer};
use crate::body::Body;
use crate::error::BoxError;

/// What is read on the spot before a task is made for the rest.
const AT_ONCE: usize = 256 * 1024;
/// How often the tasks of connections get a turn before that.
const YIELDS: u32 = 2;
/// How long a body is still read for the store when its client has left, and how long it may be
/// silent.
const PATIENCE: Duration = Duration::from_secs(60);
/// All bodies on their way take at most this share of the cache's bytes.
const FILLING_SHARE: u64 = 4;

/// The part of a body that is here.
struct Gathered {
    cache: Arc<Cache>,
    chunks: Vec<Bytes>,
    length: usize,
    /// What it counts for among all that are on their way.
    weight: usize,
}

impl Gathered {
    fn new(cache: Arc<Cache>) -> Self {
        Self {
            cache,
            chunks: Vec::new(),
            length: 0,
            weight: 0,
        }
    }

    /// Takes a chunk; false when that is too much.
    fn push(&mut self, chunk: &Bytes) -> bool {
        // Chunks of a few bytes cost more than those bytes.
        let weight = chunk.len() + 64;
        let filling = self.cache.filling.fetch_add(weight, Relaxed) + weight;
        self.weight += weight;
        let all = self.cache.config.max_bytes / FILLING_SHARE;
        let all = usize::try_from(all).unwrap_or(usize::MAX);
        if self.length + chunk.len() > self.cache.largest || filling > all.max(self.cache.largest) {
            return false;
        }
        self.length += chunk.len();
        self.chunks.push(chunk.clone());
        true
    }

    /// One piece, in an allocation of its own and of its size: chunks share the buffers of the
    /// connection that they were read from.
    fn into_bytes(self) -> Bytes {
        let mut whole = BytesMut::with_capacity(self.length);
        for chunk in &self.chunks {
            whole.extend_from_slice(chunk);
        }
        whole.freeze()
    }
}

impl Drop for Gathered {
    fn drop(&mut self) {
        self.cache.filling.fetch_sub(self.weight, Relaxed);
    }
}

/// Collects a body and stores it with `keep`; gives the client's body.
pub(super) async fn collect(mut body: Body, keep: Keep) -> Body {
    let expected = body.size_hint();
    let mut gathered = Gathered::new(Arc::clone(&keep.cache));
    let mut frames = Vec::new();
    let mut fits = true;
    let mut yields = 0;
    while fits && gathered.weight < AT_ONCE {
        match body.frame().now_or_never() {
            Some(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    fits = gathered.push(data);
                }
                frames.push(frame);
                if fits && body.is_end_stream() {
                    return collected(keep, gathered, frames);
                }
            }
            Some(None) => return collected(keep, gathered, frames),
            Some(Some(Err(error))) => {
                drop(keep);
                let (writer, reader) = pipe::pipe(expected);
                frames.into_iter().for_each(|frame| writer.send(frame));
                writer.end(Err(error));
                return Body::stream(reader);
            }
            // What has come with the head is handed over by the connection's own task.
            None if yields < YIELDS => {
                yields += 1;
                tokio::task::yield_now().await;
            }
            None => break,
        }
    }
    let keep = if fits {
        Some((keep, gathered))
    } else {
        keep.give_up();
        None
    };
    let (writer, reader) = pipe::pipe(expected);
    frames.into_iter().for_each(|frame| writer.send(frame));
    tokio::task::spawn_local(pump(body, keep, writer));
    Body::stream(reader)
}

/// All of it was here.
fn collected(keep: Keep, gathered: Gathered, frames: Vec<Frame<Bytes>>) -> Body {
    let length = gathered.length;
    let bytes = gathered.into_bytes();
    if keep.is_whole(length) {
        keep.store(bytes.clone());
    } else {
        drop(keep);
    }
    if frames.iter().all(Frame::is_data) {
        return Body::full(bytes);
    }
    // Trailers are for this client; they are not stored (RFC 9111, section 3.1).
    let (writer, reader) = pipe::pipe(SizeHint::default());
    frames.into_iter().for_each(|frame| writer.send(frame));
    writer.end(Ok(()));
    Body::stream(reader)
}

/// Reads the rest.
async fn pump(mut body: Body, mut keep: Option<(Keep, Gathered)>, writer: Writer) {
    let mut left_at = None;
    loop {
        let frame = match next(&mut body, keep.is_some()).await {
            Next::Frame(frame) => frame,
            Next::End => break,
            Next::Broken(error) => {
                // First those who wait, so that one of them fetches again.
                drop(keep);
                writer.end(Err(error));
                return;
            }
            Next::Stalled => {
                give_up(keep.take());
                if writer.reader_is_gone() {
                    return;
                }
                continue;
            }
        };
        if let (Some((_, gathered)), Some(data)) = (&mut keep, frame.data_ref())
            && !gathered.push(data)
        {
            give_up(keep.take());
        }
        if body.is_end_stream() {
            store(keep.take());
        }
        writer.send(frame);
        if keep.is_none() {
            if !writer.room().await {
                return;
            }
        } else if writer.reader_is_gone() {
            let left_at = *left_at.get_or_insert_with(Instant::now);
            if left_at.elapsed() > PATIENCE {
                return;
            }
        }
    }
    store(keep);
    writer.end(Ok(()));
}

/// What a body does next.
enum Next {
    Frame(Frame<Bytes>),
    End,
    Broken(BoxError),
    Stalled,
}

/// Upstreams have a limit of their own for how long they may be silent; this one is for bodies that
/// have none, while others wait for them.
async fn next(body: &mut Body, awaited: bool) -> Next {
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

fn give_up(keep: Option<(Keep, Gathered)>) {
    if let Some((keep, _)) = keep {
        keep.give_up();
    }
}

/// Stores what is whole. This comes before the client sees the end: what it asks for next is a hit.
fn store(keep: Option<(Keep, Gathered)>) {
    if let Some((keep, gathered)) = keep
        && keep.is_whole(gathered.length)
    {
        keep.store(gathered.into_bytes());
    }
}

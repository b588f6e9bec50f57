//! The body of a stored answer: in memory, on disk, or still on its way.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;
use zephyr_cache::Slices;
use zephyr_store::{Disk, Fill, Follower, Object, ReadError, Reader};

use crate::body::Body;
use crate::error::BoxError;

/// A body.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// All of it is here.
    Memory(Bytes),
    /// It is on disk.
    Disk(Arc<Disk>, Object),
    /// It is on its way; with its length, when that is known.
    Filling(Fill, Option<u64>),
    /// It is stored in slices, each by itself: [`super::slices`] reads it.
    Slices(Slices),
}

impl Content {
    /// In bytes; of one on its way what is known so far.
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Disk(_, object) => object.length(),
            Self::Filling(fill, length) => length.unwrap_or_else(|| fill.length().0),
            Self::Slices(slices) => slices.complete(),
        }
    }

    /// Bytes of memory.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Memory(bytes) => bytes.len(),
            Self::Disk(..) => size_of::<Object>(),
            Self::Filling(..) | Self::Slices(_) => 0,
        }
    }

    /// Whether it can still be read.
    pub(super) fn is_there(&self) -> bool {
        match self {
            Self::Memory(_) | Self::Slices(_) => true,
            Self::Disk(_, object) => object.is_there(),
            Self::Filling(fill, _) => fill.is_open(),
        }
    }

    /// The bytes, when they are in memory.
    pub(super) fn bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Memory(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// All of it.
    pub(super) fn whole(&self) -> Body {
        match self {
            Self::Memory(bytes) => Body::full(bytes.clone()),
            Self::Disk(_, object) if object.length() == 0 => Body::Empty,
            _ => self.stream(0..u64::MAX),
        }
    }

    /// The bytes from `first` to `last`, both included.
    pub(super) fn part(&self, first: u64, last: u64) -> Body {
        match self {
            // A part is chosen by the length of what is here.
            Self::Memory(bytes) => Body::full(bytes.slice(first as usize..=last as usize)),
            _ => self.stream(first..last.saturating_add(1)),
        }
    }

    fn stream(&self, part: std::ops::Range<u64>) -> Body {
        let (source, left) = match self {
            Self::Memory(bytes) => return Body::full(bytes.clone()),
            Self::Disk(disk, object) => {
                let reader = disk.read(object, part);
                let left = reader.as_ref().map(Reader::left);
                (reader.map(Source::Disk), left)
            }
            Self::Filling(fill, length) => {
                let left = length.map(|length| part.end.min(length).saturating_sub(part.start));
                (fill.follow(part).map(Source::Filling), left)
            }
            Self::Slices(_) => (None, None),
        };
        let source = source.unwrap_or(Source::Gone);
        Body::stream(Streamed {
            source,
            left,
            tail: None,
        })
    }
}

/// What comes with a body that is on its way, for the client that it is fetched for.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// They are not stored (RFC 9111, section 3.1).
    pub(super) trailers: Option<HeaderMap>,
    /// Why it broke off.
    pub(super) error: Option<BoxError>,
}

/// The body of the client that it is fetched for.
pub(super) fn followed(
    follower: Option<Follower>,
    expected: &SizeHint,
    tail: Arc<Mutex<Tail>>,
) -> Body {
    Body::stream(Streamed {
        source: follower.map_or(Source::Gone, Source::Filling),
        left: expected.exact(),
        tail: Some(tail),
    })
}

enum Source {
    Disk(Reader),
    Filling(Follower),
    Gone,
    Done,
}

struct Streamed {
    source: Source,
    /// Bytes that are still to come, when known.
    left: Option<u64>,
    tail: Option<Arc<Mutex<Tail>>>,
}

impl Streamed {
    fn fail(&mut self, error: ReadError) -> BoxError {
        self.source = Source::Done;
        let tail = self.tail.take();
        let own = tail.and_then(|tail| tail.lock().error.take());
        own.unwrap_or_else(|| error.into())
    }
}

impl http_body::Body for Streamed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let next = match &mut this.source {
            Source::Disk(reader) => ready!(reader.poll_next(cx)),
            Source::Filling(follower) => ready!(follower.poll_next(cx)),
            Source::Gone => Some(Err(ReadError::Gone)),
            Source::Done => None,
        };
        match next {
            Some(Ok(chunk)) => {
                let length = chunk.len() as u64;
                this.left = this.left.map(|left| left.saturating_sub(length));
                Poll::Ready(Some(Ok(Frame::data(chunk))))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(this.fail(error)))),
            None => {
                this.source = Source::Done;
                let tail = this.tail.take();
                let trailers = tail.and_then(|tail| tail.lock().trailers.take());
                Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let trailers = || {
            self.tail
                .as_ref()
                .is_some_and(|tail| tail.lock().trailers.is_some())
        };
        match &self.source {
            Source::Disk(reader) => reader.left() == 0,
            Source::Filling(follower) => follower.is_done() && !trailers(),
            Source::Gone => false,
            Source::Done => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Waits for the first bytes of a body; an error if there are none to be had.
pub(super) async fn primed(mut body: Body) -> Result<Body, BoxError> {
    use http_body::Body as _;
    use http_body_util::BodyExt as _;
    let expected = body.size_hint();
    let first = match body.frame().await {
        Some(Ok(frame)) => Some(frame),
        Some(Err(error)) => return Err(error),
        None => return Ok(Body::Empty),
    };
    Ok(Body::stream(Primed {
        first,
        rest: body,
        expected,
    }))
}

struct Primed {
    first: Option<Frame<Bytes>>,
    rest: Body,
    expected: SizeHint,
}

impl http_body::Body for Primed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        match this.first.take() {
            Some(first) => Poll::Ready(Some(Ok(first))),
            None => Pin::new(&mut this.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.first.is_some() {
            self.expected
        } else {
            self.rest.size_hint()
        }
    }
}

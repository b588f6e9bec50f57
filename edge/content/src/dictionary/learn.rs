//! A body that becomes a dictionary when all of it has passed.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use sha2::{Digest as _, Sha256};

use super::store::{Dictionaries, Dictionary};
use crate::BoxError;

/// Room that a body gets at once, in bytes, however long its head says that it is.
const AT_FIRST: u64 = 64 * 1024;

/// A body that is kept as a dictionary once it has passed whole.
#[derive(Debug)]
pub struct Learning<B> {
    body: B,
    lesson: Option<Lesson>,
}

#[derive(Debug)]
struct Lesson {
    store: Arc<Dictionaries>,
    origin: String,
    version: Option<String>,
    bytes: BytesMut,
    /// Told by the head; a body of another length is not the one that clients have.
    length: Option<u64>,
    hash: Sha256,
}

impl<B> Learning<B> {
    /// Keeps the body in `store`, as one of `origin`.
    pub fn new(
        body: B,
        store: Arc<Dictionaries>,
        origin: String,
        version: Option<String>,
        length: Option<u64>,
    ) -> Self {
        let known = length.is_none_or(|length| length <= store.max_one());
        // A head is no promise: there is room for more when more has come.
        let capacity = usize::try_from(length.unwrap_or(0).min(AT_FIRST)).unwrap_or(0);
        let lesson = known.then(|| Lesson {
            store,
            origin,
            version,
            bytes: BytesMut::with_capacity(capacity),
            length,
            hash: Sha256::new(),
        });
        Self { body, lesson }
    }
}

impl Lesson {
    /// False when that is too much.
    fn take(&mut self, data: &[u8]) -> bool {
        if (self.bytes.len() + data.len()) as u64 > self.store.max_one() {
            return false;
        }
        self.hash.update(data);
        self.bytes.extend_from_slice(data);
        true
    }

    fn end(self) {
        let length = self.bytes.len() as u64;
        if self.length.is_some_and(|told| told != length) {
            return;
        }
        let hash = self.hash.finalize().into();
        let dictionary = Dictionary::with_hash(self.bytes.freeze(), hash);
        self.store
            .keep(&self.origin, self.version.as_deref(), dictionary);
    }
}

impl<B> Body for Learning<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let (Some(lesson), Some(data)) = (&mut self.lesson, frame.data_ref())
                    && !lesson.take(data)
                {
                    self.lesson = None;
                }
                // Nobody may ask for the end when all bytes are there.
                if self.body.is_end_stream()
                    && let Some(lesson) = self.lesson.take()
                {
                    lesson.end();
                }
            }
            Some(Err(_)) => self.lesson = None,
            None => {
                if let Some(lesson) = self.lesson.take() {
                    lesson.end();
                }
            }
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

//! A body that is kept while it streams to its client.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};

use super::serve::Keep;
use crate::body::Body;
use crate::error::BoxError;

/// Passes a body on, keeps its bytes, and stores the answer when it has ended well. One that breaks
/// off, grows too large or is dropped by its client is not stored.
pub(super) struct Collect {
    inner: Body,
    kept: BytesMut,
    /// None once it cannot be stored any more.
    keep: Option<Keep>,
    limit: usize,
    /// What `Content-Length` promises.
    promised: Option<usize>,
}

impl Collect {
    pub(super) fn new(inner: Body, keep: Keep, limit: usize, promised: Option<u64>) -> Self {
        let expected = inner
            .size_hint()
            .exact()
            .and_then(|size| usize::try_from(size).ok());
        let kept = BytesMut::with_capacity(expected.unwrap_or(0).min(limit));
        Self {
            inner,
            kept,
            keep: Some(keep),
            limit,
            // A length that does not fit is one that is never met.
            promised: promised.map(|length| usize::try_from(length).unwrap_or(usize::MAX)),
        }
    }

    fn end(&mut self) {
        let whole = self
            .promised
            .is_none_or(|promised| promised == self.kept.len());
        if let Some(keep) = self.keep.take()
            && whole
        {
            keep.store(std::mem::take(&mut self.kept).freeze());
        }
    }

    fn give_up(&mut self) {
        self.keep = None;
        self.kept = BytesMut::new();
    }
}

impl http_body::Body for Collect {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = std::task::ready!(Pin::new(&mut self.inner).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => match frame.data_ref() {
                Some(data) if self.keep.is_some() => {
                    if self.kept.len() + data.len() > self.limit {
                        self.give_up();
                    } else {
                        self.kept.extend_from_slice(data);
                    }
                    // hyper does not poll a body of known length beyond its last byte.
                    let all = self.promised == Some(self.kept.len());
                    if self.keep.is_some() && (all || self.inner.is_end_stream()) {
                        self.end();
                    }
                }
                // Trailers are not stored (RFC 9111, section 3.1 lets a cache leave them out).
                _ => {}
            },
            Some(Err(_)) => self.give_up(),
            None => self.end(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        // Not before the end was seen: then it is stored.
        self.keep.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

//! The body that hyper sends to a client. One that streams reports its end to the record of its
//! request.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::record::Record;
use crate::body::Body;
use crate::error::BoxError;

/// A body on its way out.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// There already, and recorded.
    Whole(Body),
    /// Still to come.
    Streaming(Box<Streaming>),
}

#[derive(Debug)]
pub(crate) struct Streaming {
    body: Body,
    record: Option<Record>,
    /// Whether the node has yet to bring the next of it.
    works: bool,
    status: u16,
    bytes: u64,
}

impl Outgoing {
    pub(super) fn streaming(body: Body, record: Record, status: u16) -> Self {
        Self::Streaming(Box::new(Streaming {
            body,
            record: Some(record),
            works: true,
            status,
            bytes: 0,
        }))
    }
}

impl Streaming {
    /// Tells whom the body waits for: the node, or the client to take what there is.
    fn polled(&mut self, pending: bool) {
        if pending != self.works
            && let Some(record) = &self.record
        {
            record.works(pending);
        }
        self.works = pending;
    }

    fn end(&mut self, aborted: bool) {
        self.polled(true);
        if let Some(record) = self.record.take() {
            record.finish(self.status, self.bytes, aborted);
        }
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        // Without a body to send (HEAD, 304) hyper drops it unread, and that is no failure.
        let bodiless = self
            .record
            .as_ref()
            .is_some_and(|record| record.is_bodiless(self.status));
        self.end(!bodiless);
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(cx),
            Self::Streaming(streaming) => {
                let poll = Pin::new(&mut streaming.body).poll_frame(cx);
                streaming.polled(poll.is_pending());
                match &poll {
                    Poll::Ready(Some(Ok(frame))) => {
                        let length = frame.data_ref().map_or(0, Bytes::len);
                        streaming.bytes += length as u64;
                        if streaming.body.is_end_stream() {
                            streaming.end(false);
                        }
                    }
                    Poll::Ready(None) => streaming.end(false),
                    Poll::Ready(Some(Err(error))) => {
                        tracing::warn!(%error, "an answer broke off: {error}");
                        streaming.end(true);
                    }
                    Poll::Pending => {}
                }
                poll
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Streaming(streaming) => streaming.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Streaming(streaming) => streaming.body.size_hint(),
        }
    }
}

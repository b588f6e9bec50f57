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
    status: u16,
    bytes: u64,
    /// Whether a piece has been given and the next one not been asked for.
    given: bool,
}

impl Outgoing {
    pub(super) fn streaming(body: Body, record: Record, status: u16) -> Self {
        Self::Streaming(Box::new(Streaming {
            body,
            record: Some(record),
            status,
            bytes: 0,
            given: false,
        }))
    }
}

impl Streaming {
    fn taken(&mut self) {
        if std::mem::take(&mut self.given)
            && let Some(record) = &self.record
        {
            record.connection().taken();
        }
    }

    fn gave(&mut self) {
        if let Some(record) = &self.record {
            self.given = true;
            record.connection().gave();
        }
    }

    fn end(&mut self, aborted: bool) {
        self.taken();
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
                streaming.taken();
                let poll = Pin::new(&mut streaming.body).poll_frame(cx);
                match &poll {
                    Poll::Ready(Some(Ok(frame))) => {
                        let length = frame.data_ref().map_or(0, Bytes::len);
                        streaming.bytes += length as u64;
                        streaming.gave();
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

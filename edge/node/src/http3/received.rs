//! A request's body as it comes over HTTP/3.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use h3::server::RequestStream;
use http_body::{Frame, SizeHint};

use crate::error::BoxError;

/// A body that is being received. One that is not as long as its head says is an error (RFC 9114,
/// section 4.1.2).
pub(super) struct Received {
    stream: RequestStream<h3_quinn::RecvStream, Bytes>,
    /// What was read to see whether there is a body.
    first: Option<Bytes>,
    /// What must still come; none when that is not known.
    left: Option<u64>,
    state: State,
}

#[derive(PartialEq, Eq)]
enum State {
    Data,
    Trailers,
    Ended,
}

impl Received {
    pub(super) fn new(
        stream: RequestStream<h3_quinn::RecvStream, Bytes>,
        first: Option<Bytes>,
        length: Option<u64>,
    ) -> Self {
        Self {
            stream,
            first,
            left: length,
            state: State::Data,
        }
    }

    fn received(&mut self, data: Bytes) -> Result<Frame<Bytes>, BoxError> {
        if let Some(left) = &mut self.left {
            let rest = left.checked_sub(data.len() as u64);
            *left = rest.ok_or("the body is longer than its head says")?;
        }
        Ok(Frame::data(data))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(self.received(first)));
        }
        if self.state == State::Data {
            let data = match std::task::ready!(self.stream.poll_recv_data(cx)) {
                Ok(data) => data.map(|mut data| data.copy_to_bytes(data.remaining())),
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            };
            if let Some(data) = data {
                return Poll::Ready(Some(self.received(data)));
            }
            if self.left.is_some_and(|left| left > 0) {
                let error = "the body is shorter than its head says";
                return Poll::Ready(Some(Err(error.into())));
            }
            self.state = State::Trailers;
        }
        if self.state == State::Ended {
            return Poll::Ready(None);
        }
        let trailers = std::task::ready!(self.stream.poll_recv_trailers(cx));
        self.state = State::Ended;
        Poll::Ready(match trailers {
            Ok(trailers) => trailers.map(|trailers| Ok(Frame::trailers(trailers))),
            Err(error) => Some(Err(error.into())),
        })
    }
}

impl http_body::Body for Received {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let poll = this.poll_next(cx);
        if let Poll::Ready(Some(Err(_))) = &poll {
            this.state = State::Ended;
        }
        poll
    }

    fn is_end_stream(&self) -> bool {
        self.state == State::Ended
    }

    fn size_hint(&self) -> SizeHint {
        match self.left {
            Some(left) => SizeHint::with_exact(left),
            None => SizeHint::default(),
        }
    }
}

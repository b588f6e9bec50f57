//! A request's body that must not grow past a bound while it streams, and whose trailers must not
//! say what only a head may.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::body::Body;
use crate::error::BoxError;
use crate::fields;

/// The body has grown past its bound.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyTooLarge;

impl fmt::Display for BodyTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request's body is too large")
    }
}

impl std::error::Error for BodyTooLarge {}

/// The body, which fails with [`BodyTooLarge`] past `bound` bytes.
pub(crate) fn limit(body: Body, bound: u64) -> Body {
    match body {
        Body::Empty => Body::Empty,
        body => Body::stream(LimitedBody { body, left: bound }),
    }
}

struct LimitedBody {
    body: Body,
    left: u64,
}

impl http_body::Body for LimitedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut poll = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &mut poll
            && let Some(trailers) = frame.trailers_mut()
        {
            fields::clean_trailers(trailers);
        }
        if let Poll::Ready(Some(Ok(frame))) = &poll
            && let Some(data) = frame.data_ref()
        {
            match self.left.checked_sub(data.len() as u64) {
                Some(left) => self.left = left,
                None => return Poll::Ready(Some(Err(BodyTooLarge.into()))),
            }
        }
        poll
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

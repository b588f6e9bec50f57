//! A request's body, whose bytes are counted for its route as they come.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::body::Body;
use crate::error::BoxError;
use crate::metrics::RouteCounts;

/// The body with its bytes counted.
pub(super) fn meter(body: Body, counts: &Arc<RouteCounts>) -> Body {
    match body {
        Body::Empty => Body::Empty,
        body => Body::stream(Metered {
            body,
            counts: Arc::clone(counts),
        }),
    }
}

struct Metered {
    body: Body,
    counts: Arc<RouteCounts>,
}

impl http_body::Body for Metered {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let poll = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &poll
            && let Some(data) = frame.data_ref()
        {
            self.counts.received(data.len());
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

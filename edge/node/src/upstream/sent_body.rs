//! A request's body on its way to an upstream: tells the time limit that it is still moving.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::body::Body;
use crate::error::BoxError;

/// Counts the steps of a body.
#[derive(Clone, Debug, Default)]
pub(super) struct Steps(Arc<AtomicU32>);

impl Steps {
    pub(super) fn taken(&self) -> u32 {
        self.0.load(Relaxed)
    }

    /// The body, and its steps counted here.
    pub(super) fn of(&self, body: Body) -> Body {
        Body::stream(SentBody {
            body,
            steps: self.clone(),
        })
    }
}

struct SentBody {
    body: Body,
    steps: Steps,
}

impl http_body::Body for SentBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let poll = Pin::new(&mut self.body).poll_frame(cx);
        if poll.is_ready() {
            self.steps.0.fetch_add(1, Relaxed);
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

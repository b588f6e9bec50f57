//! A small body of an idempotent request, kept while it is sent on a connection that may be stale,
//! so that it can be sent once more. It streams all the same: what has been read is kept, the rest
//! is still to come.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, header};
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;

use super::form::is_idempotent;
use crate::body::Body;
use crate::error::BoxError;

/// Longer bodies are not kept.
const MAX: u64 = 16 * 1024;

/// A body that can be sent again.
#[derive(Clone, Debug)]
pub(super) struct KeptBody(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// What is still to come.
    body: Body,
    seen: Vec<Bytes>,
    /// Bytes that may still be kept: what the head promises, so that nothing longer piles up.
    left: u64,
    /// The last sending; earlier ones read no more.
    sending: u32,
}

impl KeptBody {
    /// Keeps the body of a request that may be repeated, when its head says that it is small.
    pub(super) fn keep(request: &mut Request<Body>) -> Option<Self> {
        if !is_idempotent(request.method()) {
            return None;
        }
        let length = request.headers().get(header::CONTENT_LENGTH)?;
        let left = length.to_str().ok()?.parse().ok()?;
        if left > MAX {
            return None;
        }
        let body = std::mem::replace(request.body_mut(), Body::Empty);
        let kept = Self(Arc::new(Mutex::new(State {
            body,
            seen: Vec::new(),
            left,
            sending: 0,
        })));
        *request.body_mut() = kept.restart();
        Some(kept)
    }

    /// The body from its first byte on.
    pub(super) fn restart(&self) -> Body {
        let mut state = self.0.lock();
        state.sending += 1;
        Body::stream(Sending {
            state: Arc::clone(&self.0),
            sending: state.sending,
            at: 0,
        })
    }
}

struct Sending {
    state: Arc<Mutex<State>>,
    sending: u32,
    at: usize,
}

impl http_body::Body for Sending {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let state = &mut *this.state.lock();
        if state.sending != this.sending {
            return Poll::Ready(Some(Err("the body is sent on another connection".into())));
        }
        if let Some(bytes) = state.seen.get(this.at) {
            this.at += 1;
            return Poll::Ready(Some(Ok(Frame::data(bytes.clone()))));
        }
        let poll = Pin::new(&mut state.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &poll
            && let Some(bytes) = frame.data_ref()
            && state.left > 0
        {
            state.left = state.left.saturating_sub(bytes.len() as u64);
            state.seen.push(bytes.clone());
            this.at += 1;
        }
        poll
    }

    fn is_end_stream(&self) -> bool {
        let state = self.state.lock();
        self.at >= state.seen.len() && state.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let state = self.state.lock();
        let again = state
            .seen
            .iter()
            .skip(self.at)
            .map(Bytes::len)
            .sum::<usize>() as u64;
        let rest = state.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(again + rest.lower());
        if let Some(upper) = rest.upper() {
            hint.set_upper(again + upper);
        }
        hint
    }
}

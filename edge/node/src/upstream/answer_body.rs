//! The body of an upstream's answer: enforces the idle timeout, and gives the connection back to the
//! pool when the last byte is here.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use tokio::time::{Instant, Sleep};

use super::in_flight::InFlight;
use super::pool::Pool;
use super::{connect, count};
use crate::body::Body;
use crate::error::{BoxError, ProxyError, Source};

pub(super) struct AnswerBody {
    body: Incoming,
    /// None on HTTP/2, and once given back.
    sender: Option<http1::SendRequest<Body>>,
    pool: Arc<Pool>,
    /// None once the last byte is here.
    in_flight: Option<InFlight>,
    /// Made when the body has to be waited for; most come with their head.
    sleep: Option<Pin<Box<Sleep>>>,
    waits_since: Option<Instant>,
}

/// Wraps the body of an answer; one without bytes gives its connection back at once.
pub(super) fn wrap(
    body: Incoming,
    sender: Option<http1::SendRequest<Body>>,
    pool: &Arc<Pool>,
    in_flight: InFlight,
) -> Body {
    if body.is_end_stream() {
        if let Some(sender) = sender {
            pool.put(sender);
        }
        return Body::Empty;
    }
    Body::stream(AnswerBody {
        body,
        sender,
        pool: Arc::clone(pool),
        in_flight: Some(in_flight),
        sleep: None,
        waits_since: None,
    })
}

impl AnswerBody {
    fn ended(&mut self) {
        self.in_flight = None;
        if let Some(sender) = self.sender.take() {
            self.pool.put(sender);
        }
    }

    fn failed(&mut self, error: ProxyError) -> BoxError {
        self.in_flight = None;
        // Dropped, so that the connection ends and nothing of this answer is read as another one's.
        self.sender = None;
        error.into()
    }

    /// Whether the body has been waited for too long. The timer is set again only when it rings.
    fn timed_out(&mut self, cx: &mut Context<'_>) -> bool {
        let limit = self.pool.upstream.config.idle_timeout;
        let since = *self.waits_since.get_or_insert_with(Instant::now);
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(since + limit)));
        while sleep.as_mut().poll(cx).is_ready() {
            if Instant::now() >= since + limit {
                return true;
            }
            sleep.as_mut().reset(since + limit);
        }
        false
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.waits_since = None;
                if this.body.is_end_stream() {
                    this.ended();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                this.ended();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                let error = connect::broken(&this.pool.upstream, error);
                Poll::Ready(Some(Err(this.failed(error))))
            }
            Poll::Pending if this.timed_out(cx) => {
                let upstream = &this.pool.upstream;
                count(&upstream.counts.timeouts);
                let error = ProxyError::new(
                    Source::Upstream,
                    http::StatusCode::GATEWAY_TIMEOUT,
                    "The upstream stopped in the middle of its answer.",
                )
                .with_cause(format!(
                    "upstream {}: no more of the body for {:?}",
                    upstream.name, upstream.config.idle_timeout
                ));
                Poll::Ready(Some(Err(this.failed(error))))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

//! A request's body whose client must keep sending (slowloris on bodies). Only the time that the node
//! waits for the client counts, so a slow upstream is not held against it.
//!
//! A client has so much time to be waited for, the grace; waiting spends it, bytes bring it back at
//! the rate that is asked for, up to the grace again. When it is spent the body fails.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::body::Body;
use crate::error::BoxError;

/// The client sends too slowly.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyTooSlow;

impl fmt::Display for BodyTooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request's body comes too slowly")
    }
}

impl std::error::Error for BodyTooSlow {}

/// The body, which fails with [`BodyTooSlow`] when it brings less than `rate` bytes a second.
pub(crate) fn limit(body: Body, rate: u64, grace: Duration) -> Body {
    match body {
        body @ (Body::Empty | Body::Full(_)) => body,
        body => Body::stream(SlowBody {
            body,
            rate,
            grace,
            left: grace,
            waits_since: None,
            sleep: None,
        }),
    }
}

struct SlowBody {
    body: Body,
    rate: u64,
    grace: Duration,
    /// How long the client may be waited for.
    left: Duration,
    waits_since: Option<Instant>,
    /// Rings when the time may be spent, or earlier.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl SlowBody {
    /// Bytes have come, or the end.
    fn received(&mut self, bytes: usize) {
        if let Some(since) = self.waits_since.take() {
            self.left = self.left.saturating_sub(since.elapsed());
        }
        let micros = (bytes as u64).saturating_mul(1_000_000) / self.rate.max(1);
        let earned = Duration::from_micros(micros);
        self.left = self.left.saturating_add(earned).min(self.grace);
    }

    /// Ready when the time is spent.
    fn poll_spent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let since = *self.waits_since.get_or_insert_with(Instant::now);
        let until = since + self.left;
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        while sleep.as_mut().poll(cx).is_ready() {
            if until <= Instant::now() {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(until);
        }
        Poll::Pending
    }
}

impl http_body::Body for SlowBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                let data = frame.as_ref().and_then(|frame| frame.as_ref().ok());
                let data = data.and_then(|frame| frame.data_ref());
                this.received(data.map_or(0, Bytes::len));
                Poll::Ready(frame)
            }
            Poll::Pending => match this.poll_spent(cx) {
                Poll::Ready(()) => Poll::Ready(Some(Err(BodyTooSlow.into()))),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    /// A body that brings so many bytes after each of these waits, in seconds.
    async fn fails(bytes: usize, waits: &'static [u64]) -> bool {
        let frames = futures_util::stream::iter(waits).then(move |seconds| async move {
            tokio::time::sleep(Duration::from_secs(*seconds)).await;
            Ok::<_, BoxError>(Frame::data(Bytes::from(vec![b'x'; bytes])))
        });
        let body = Body::stream(StreamBody::new(Box::pin(frames)));
        let body = limit(body, 100, Duration::from_secs(10));
        let outcome = body.collect().await;
        outcome.is_err_and(|error| error.is::<BodyTooSlow>())
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_counts_once_the_grace_is_spent() {
        assert!(!fails(1, &[9]).await);
        assert!(fails(1, &[11]).await, "nothing at all");
        assert!(!fails(100, &[1; 60]).await, "just the rate");
        assert!(fails(50, &[1; 60]).await, "half the rate");
        assert!(
            !fails(50, &[1; 15]).await,
            "half the rate, but not for long"
        );
        assert!(fails(1, &[5, 5, 5]).await, "a drip");
        assert!(
            fails(100_000, &[0, 0, 11]).await,
            "no credit for what came fast"
        );
        assert!(
            !fails(1000, &[9, 9, 9, 9]).await,
            "what comes pays for the wait"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_not_the_clients_fault() {
        let frames = futures_util::stream::iter(0..10)
            .map(|_| Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"x"))));
        let body = limit(
            Body::stream(StreamBody::new(frames)),
            100,
            Duration::from_secs(10),
        );
        let mut body = std::pin::pin!(body);
        let mut received = 0;
        while let Some(frame) = body.frame().await {
            frame.unwrap();
            received += 1;
            tokio::time::sleep(Duration::from_secs(100)).await;
        }
        assert_eq!(received, 10);
    }
}

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
            patience: Patience::new(rate, grace),
            sleep: None,
        }),
    }
}

/// How long the client may still be waited for.
#[derive(Debug)]
struct Patience {
    rate: u64,
    grace: Duration,
    left: Duration,
    waits_since: Option<Instant>,
}

impl Patience {
    fn new(rate: u64, grace: Duration) -> Self {
        Self {
            rate,
            grace,
            left: grace,
            waits_since: None,
        }
    }

    /// Bytes have come, or the end.
    fn received(&mut self, bytes: usize, now: Instant) {
        if let Some(since) = self.waits_since.take() {
            self.left = self.left.saturating_sub(now.duration_since(since));
        }
        let micros = (bytes as u64).saturating_mul(1_000_000) / self.rate.max(1);
        let earned = Duration::from_micros(micros);
        self.left = self.left.saturating_add(earned).min(self.grace);
    }

    /// Nothing is there. Says until when that may be so.
    fn waits(&mut self, now: Instant) -> Instant {
        *self.waits_since.get_or_insert(now) + self.left
    }
}

struct SlowBody {
    body: Body,
    patience: Patience,
    /// Rings when patience may be at its end, or earlier.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl SlowBody {
    /// Ready when the client was waited for too long.
    fn poll_spent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let until = self.patience.waits(Instant::now());
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
                let bytes = data.map_or(0, Bytes::len);
                this.patience.received(bytes, Instant::now());
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
    use super::*;

    /// Whether a body that brings so many bytes after each of these waits, in seconds, is too slow.
    fn fails(bytes: usize, waits: &[u64]) -> bool {
        let mut patience = Patience::new(100, Duration::from_secs(10));
        let mut now = Instant::now();
        waits.iter().any(|seconds| {
            let until = patience.waits(now);
            now += Duration::from_secs(*seconds);
            // Waking up in between changes nothing.
            assert_eq!(patience.waits(now), until);
            patience.received(bytes, now);
            until < now
        })
    }

    #[test]
    fn the_rate_counts_once_the_grace_is_spent() {
        assert!(!fails(1, &[9]));
        assert!(fails(1, &[11]), "nothing at all");
        assert!(!fails(100, &[1; 60]), "just the rate");
        assert!(fails(50, &[1; 60]), "half the rate");
        assert!(!fails(50, &[1; 15]), "half the rate, but not for long");
        assert!(fails(1, &[5, 5, 5]), "a drip");
        assert!(fails(100_000, &[0, 0, 11]), "no credit for what came fast");
        assert!(!fails(1000, &[9, 9, 9, 9]), "what comes pays for the wait");
    }

    #[test]
    fn a_slow_reader_is_not_the_clients_fault() {
        let mut patience = Patience::new(100, Duration::from_secs(10));
        let mut now = Instant::now();
        for _ in 0..10 {
            patience.received(1, now);
            now += Duration::from_secs(100);
        }
        assert!(patience.waits(now) >= now + Duration::from_secs(10));
    }
}

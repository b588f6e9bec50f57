//! The body of a service's answer.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Acquire;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::WasiBody;

use super::state::{Flight, Worker};
use crate::error::BoxError;

/// How long a service may pause in the middle of an answer.
const PAUSE: Duration = Duration::from_secs(30);

/// A body that holds its instance until it is done, and ends with an error when the instance does.
pub(super) struct AnswerBody {
    inner: WasiBody,
    worker: Option<Arc<Worker>>,
    flight: Option<Flight>,
    pause: Option<Pin<Box<Sleep>>>,
}

/// Why an answer broke off.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the service ended in the middle of its answer")]
    Ended,
    #[error("the service paused for more than {} s in its answer", PAUSE.as_secs())]
    Paused,
}

impl AnswerBody {
    pub(super) fn new(inner: WasiBody, flight: Flight) -> Self {
        Self {
            inner,
            worker: flight.worker(),
            flight: Some(flight),
            pause: None,
        }
    }

    fn done(&mut self) {
        self.flight = None;
        self.pause = None;
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.flight.is_none() {
            return Poll::Ready(None);
        }
        let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) else {
            let pause = self
                .pause
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(PAUSE)));
            if pause.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if let Some(worker) = &self.worker {
                worker.doom();
            }
            self.done();
            return Poll::Ready(Some(Err(Broken::Paused.into())));
        };
        if let Some(pause) = &mut self.pause {
            pause.as_mut().reset(Instant::now() + PAUSE);
        }
        match frame {
            Some(Ok(frame)) => Poll::Ready(Some(Ok(frame))),
            Some(Err(error)) => {
                self.done();
                Poll::Ready(Some(Err(error.into())))
            }
            None => {
                // A stream that ends because its instance did looks like one that is complete.
                let ended = self.worker.as_ref().is_some_and(|w| w.failed.load(Acquire));
                self.done();
                Poll::Ready(ended.then(|| Err(Broken::Ended.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.flight.is_none() || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

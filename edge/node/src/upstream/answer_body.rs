//! The body of an upstream's answer: enforces the time limits, and gives the connection back to the
//! pool when the last byte is here.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;
use zephyr_edge_pipeline::proxy_status::ErrorType;

use super::attempt::On;
use super::counts::Failure;
use super::in_flight::{InFlight, Visit};
use super::line::Line;
use super::timer::Timer;
use super::{count, failure};
use crate::body::Body;
use crate::error::{BoxError, ProxyError, Source};

pub(super) struct AnswerBody {
    body: Incoming,
    status: StatusCode,
    line: Arc<Line>,
    /// None once the last byte is here, or none will come.
    under_way: Option<(On, InFlight, Visit)>,
    /// For HTTP/2; a connection of its own brings one along.
    timer: Timer,
    /// Made when the body has to be waited for; most come with their head.
    waits_since: Option<Instant>,
    /// When all of it must be here.
    due: Option<Instant>,
}

/// Wraps the body of an answer; one without bytes gives its connection back at once.
pub(super) fn wrap(
    body: Incoming,
    status: StatusCode,
    on: On,
    line: &Arc<Line>,
    (in_flight, visit): (InFlight, Visit),
) -> Body {
    if body.is_end_stream() {
        give_back(line, on);
        return Body::Empty;
    }
    let limit = line.upstream.config.answer_timeout;
    Body::stream(AnswerBody {
        body,
        status,
        line: Arc::clone(line),
        under_way: Some((on, in_flight, visit)),
        timer: Timer::default(),
        waits_since: None,
        due: limit.map(|limit| Instant::now() + limit),
    })
}

fn give_back(line: &Line, on: On) {
    if let On::Http1(conn) = on {
        line.put(conn);
    }
}

impl AnswerBody {
    fn ended(&mut self) {
        if let Some((on, ..)) = self.under_way.take() {
            give_back(&self.line, on);
        }
    }

    fn failed(&mut self, failure: Failure, mut error: ProxyError) -> BoxError {
        // The connection is dropped, so that nothing of this answer is read as another one's.
        if let Some((_, mut in_flight, visit)) = self.under_way.take() {
            visit.failed(failure);
            in_flight.broke_off();
        }
        error.received = Some(self.status);
        error.into()
    }

    /// Whether the body has been waited for too long.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let idle = self.line.upstream.config.idle_timeout;
        let since = *self.waits_since.get_or_insert_with(Instant::now);
        let due = self.due.map_or(since + idle, |due| due.min(since + idle));
        let timer = match &mut self.under_way {
            Some((On::Http1(conn), ..)) => &mut conn.timer,
            _ => &mut self.timer,
        };
        timer.poll(due, cx).is_ready()
    }

    fn late(&mut self) -> BoxError {
        let upstream = &self.line.upstream;
        count(&upstream.counts.timeouts);
        let detail = "The upstream stopped in the middle of its answer.";
        let error = ProxyError::new(Source::Upstream, StatusCode::GATEWAY_TIMEOUT, detail);
        let cause = format!("upstream {}: the body took too long", upstream.name);
        let error = error
            .of_kind(ErrorType::HttpResponseTimeout)
            .with_cause(cause);
        self.failed(Failure::Timeout, error)
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
        if this.due.is_some_and(|due| Instant::now() >= due) {
            return Poll::Ready(Some(Err(this.late())));
        }
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
                let kind = match failure::is_disconnect(&error) {
                    true => ErrorType::HttpResponseIncomplete,
                    false => failure::kind(&error),
                };
                let error = failure::broken(&this.line.upstream, kind, error);
                Poll::Ready(Some(Err(this.failed(Failure::Broken, error))))
            }
            Poll::Pending if this.is_late(cx) => Poll::Ready(Some(Err(this.late()))),
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

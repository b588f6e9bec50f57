//! One request on one server: on a connection used before, again on another one when that was
//! stale, up to the head of the answer.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use tokio::time::Instant;
use zephyr_edge_pipeline::proxy_status::ErrorType;

use super::counts::Failure;
use super::form::{copy_of, is_idempotent, to_http1, to_http2};
use super::in_flight::Visit;
use super::kept_body::KeptBody;
use super::line::{Conn, Line, Stream, Way};
use super::sent_body::Steps;
use super::timer::Timer;
use super::{Upstream, count, failure};
use crate::body::Body;
use crate::config::RetryOn;
use crate::error::{ProxyError, Source};

/// Stale connections in a row before a new one is made for certain.
const STALE_TRIES: u32 = 2;

/// The head of an answer, and what its body comes on.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) answer: Response<Incoming>,
    pub(super) on: On,
    pub(super) visit: Visit,
}

/// What a body comes on.
#[derive(Debug)]
pub(super) enum On {
    Http1(Conn),
    /// Held so that the stream counts as open.
    Http2 {
        _stream: Stream,
    },
}

/// There is no answer.
#[derive(Debug)]
pub(super) struct Missed {
    pub(super) error: ProxyError,
    pub(super) why: RetryOn,
    /// The request, when it may be sent to another server.
    pub(super) request: Option<Request<Body>>,
}

/// Sends a request to a server. `elsewhere` says that there is another one to send it to.
pub(super) async fn attempt(
    line: &Line,
    mut request: Request<Body>,
    steps: Option<&Steps>,
    elsewhere: bool,
) -> Result<Arrived, Missed> {
    let upstream = &*line.upstream;
    let visit = Visit::new(&line.upstream, &line.endpoint);
    let whole = request.body().is_end_stream();
    // What has a body is gone with it, unless it is kept: whoever asked may ask again.
    let repeatable = whole && is_idempotent(request.method());
    let mut kept: Option<KeptBody> = None;
    let mut stale = 0;
    loop {
        let way = match line.way(stale >= STALE_TRIES, !repeatable).await {
            Ok(way) => way,
            Err(error) => {
                visit.failed(match error.status {
                    StatusCode::GATEWAY_TIMEOUT => Failure::Timeout,
                    _ => Failure::Connect,
                });
                return Err(Missed {
                    error,
                    why: RetryOn::Connect,
                    request: Some(request),
                });
            }
        };
        let (sent, on, copy, reused) = match way {
            Way::Http1(mut conn, reused) => {
                to_http1(&mut request);
                if reused && !whole && kept.is_none() {
                    kept = KeptBody::keep(&mut request);
                }
                let copied = match repeatable {
                    true => reused || elsewhere,
                    false => reused && kept.is_some(),
                };
                let copy = copied.then(|| copy_of(&request));
                let answer = conn.sender.try_send_request(request);
                let answer = wait(upstream, &mut conn.timer, steps, answer).await;
                (answer, On::Http1(conn), copy, reused)
            }
            Way::Http2(mut stream, reused) => {
                to_http2(&mut request, &upstream.config.servers[line.endpoint.of].url);
                // Whatever the method: the server may say that it has not looked at it.
                let copy = whole.then(|| copy_of(&request));
                let answer = stream.sender.try_send_request(request);
                let answer = wait(upstream, &mut Timer::default(), steps, answer).await;
                if let Ok(Err(_)) = &answer {
                    line.forget(&stream);
                }
                (answer, On::Http2 { _stream: stream }, copy, reused)
            }
        };
        let (unsent, error) = match sent {
            Ok(Ok(answer)) => {
                visit.answered(answer.status());
                return Ok(Arrived { answer, on, visit });
            }
            Ok(Err(mut failed)) => (failed.take_message(), failed.into_error()),
            Err(error) => {
                visit.failed(Failure::Timeout);
                return Err(Missed {
                    error,
                    why: RetryOn::Timeout,
                    request: copy.filter(|_| repeatable),
                });
            }
        };
        // Only what may have been closed while nobody looked; a fresh connection that fails says
        // something about the server.
        let was_stale =
            reused && (error.is_canceled() || error.is_closed() || failure::is_disconnect(&error));
        let unprocessed = failure::is_unprocessed(&error);
        let again = match (unsent, copy, &kept) {
            (Some(unsent), ..) => Some((unsent, reused)),
            (None, Some(mut copy), Some(kept)) if was_stale && !error.is_user() => {
                // Once, and on a connection that cannot be stale.
                stale = STALE_TRIES - 1;
                *copy.body_mut() = kept.restart();
                Some((copy, true))
            }
            (None, Some(copy), _) if unprocessed => Some((copy, true)),
            (None, Some(copy), _) if repeatable => Some((copy, was_stale)),
            (None, ..) => None,
        };
        match again {
            Some((again, true)) if stale < STALE_TRIES => {
                stale += 1;
                count(&upstream.counts.retries);
                request = again;
            }
            again => {
                let error = failure::of_request(upstream, error);
                if error.source == Source::Upstream {
                    visit.failed(Failure::Broken);
                }
                return Err(Missed {
                    error,
                    why: RetryOn::Reset,
                    request: again.map(|(request, _)| request),
                });
            }
        }
    }
}

type Sent = Result<Response<Incoming>, TrySendError<Request<Body>>>;

/// Waits for the head of an answer. The limit starts anew while the request's body moves.
pub(super) async fn wait(
    upstream: &Upstream,
    timer: &mut Timer,
    steps: Option<&Steps>,
    answer: impl Future<Output = Sent>,
) -> Result<Sent, ProxyError> {
    let limit = upstream.config.first_byte_timeout;
    let mut answer = std::pin::pin!(answer);
    let mut since = None;
    let mut taken = steps.map(Steps::taken);
    poll_fn(|cx| {
        if let Poll::Ready(sent) = answer.as_mut().poll(cx) {
            return Poll::Ready(Ok(sent));
        }
        loop {
            let from = *since.get_or_insert_with(Instant::now);
            if timer.poll(from + limit, cx).is_pending() {
                return Poll::Pending;
            }
            let moved = steps.map(Steps::taken);
            if moved == taken {
                return Poll::Ready(Err(late(upstream, limit)));
            }
            (taken, since) = (moved, None);
        }
    })
    .await
}

fn late(upstream: &Upstream, limit: Duration) -> ProxyError {
    count(&upstream.counts.timeouts);
    let detail = "The upstream did not answer in time.";
    let error = ProxyError::new(Source::Upstream, StatusCode::GATEWAY_TIMEOUT, detail);
    error
        .of_kind(ErrorType::HttpResponseTimeout)
        .with_cause(format!(
            "upstream {}: no head of an answer within {limit:?}",
            upstream.name
        ))
}

//! Sends one request to an upstream, again if that is safe, and waits for the head of its answer.

use std::sync::Arc;

use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;

use super::in_flight::InFlight;
use super::pool::Pool;
use super::sent_body::Steps;
use super::{answer_body, connect, count};
use crate::body::Body;
use crate::error::{ProxyError, Source};
use crate::fields;
use crate::limited_body::BodyTooLarge;

/// Stale connections in a row before a new one is made for certain.
const STALE_TRIES: u32 = 2;

/// Sends a request in origin form and answers with the upstream's answer: hop-by-hop fields gone,
/// `Via` added.
///
/// # Errors
///
/// 502, 503 or 504, or the client's own fault when its body broke off.
pub(crate) async fn send(
    pool: &Arc<Pool>,
    mut request: Request<Body>,
) -> Result<Response<Body>, ProxyError> {
    let upstream = &pool.upstream;
    let in_flight = InFlight::enter(upstream)?;
    count(&upstream.counts.requests);
    let steps = (!request.body().is_end_stream()).then(Steps::default);
    if let Some(steps) = &steps {
        let (parts, body) = request.into_parts();
        request = Request::from_parts(parts, steps.of(body));
    }
    if upstream.config.http2 {
        return send_http2(pool, request, steps.as_ref(), in_flight).await;
    }
    // On a connection of its own a request is never repeated by the node: whoever asked may.
    let repeatable = steps.is_none() && is_idempotent(request.method());
    let mut stale = 0;
    loop {
        let pooled = if stale < STALE_TRIES {
            pool.checkout()
        } else {
            None
        };
        let (mut sender, reused) = match pooled {
            Some(sender) => (sender, true),
            None => (connect::http1(upstream).await?, false),
        };
        let copy = (reused && repeatable).then(|| copy_of(&request));
        *request.version_mut() = Version::HTTP_11;
        let answer = sender.try_send_request(request);
        let failed = match wait(&in_flight, steps.as_ref(), answer).await? {
            Ok(answer) => {
                let (mut parts, body) = answer.into_parts();
                clean(&in_flight, &mut parts)?;
                let body = answer_body::wrap(body, Some(sender), pool, in_flight);
                return Ok(Response::from_parts(parts, body));
            }
            Err(failed) => failed,
        };
        request = match again(failed, copy, reused) {
            Ok(request) => request,
            Err(error) => return Err(failure(&in_flight, error)),
        };
        stale += 1;
        count(&upstream.counts.retries);
    }
}

/// The request to send again, if it may be.
fn again(
    mut failed: TrySendError<Request<Body>>,
    copy: Option<Request<Body>>,
    reused: bool,
) -> Result<Request<Body>, hyper::Error> {
    let unsent = failed.take_message();
    let error = failed.into_error();
    // Only what may have been closed while nobody looked; a fresh connection that fails says
    // something about the upstream.
    let stale = reused && (error.is_canceled() || error.is_closed() || is_disconnect(&error));
    match (unsent, copy) {
        (Some(request), _) if reused => Ok(request),
        (None, Some(copy)) if stale => Ok(copy),
        _ => Err(error),
    }
}

/// The connection ended before any byte of an answer.
fn is_disconnect(error: &hyper::Error) -> bool {
    use std::error::Error as _;
    if error.is_incomplete_message() {
        return true;
    }
    let io = error
        .source()
        .and_then(|cause| cause.downcast_ref::<std::io::Error>());
    io.is_some_and(|io| {
        matches!(
            io.kind(),
            std::io::ErrorKind::ConnectionReset
                | std::io::ErrorKind::BrokenPipe
                | std::io::ErrorKind::ConnectionAborted
        )
    })
}

async fn send_http2(
    pool: &Arc<Pool>,
    mut request: Request<Body>,
    steps: Option<&Steps>,
    in_flight: InFlight,
) -> Result<Response<Body>, ProxyError> {
    let upstream = &pool.upstream;
    to_http2(&mut request, upstream.config.url.authority());
    let mut tries = 0;
    loop {
        let mut sender = pool.http2().await?;
        tries += 1;
        if let Err(error) = sender.ready().await {
            if tries <= STALE_TRIES {
                continue;
            }
            return Err(connect::broken(upstream, error));
        }
        let answer = sender.try_send_request(request);
        match wait(&in_flight, steps, answer).await? {
            Ok(answer) => {
                let (mut parts, body) = answer.into_parts();
                clean(&in_flight, &mut parts)?;
                parts.version = Version::HTTP_11;
                return Ok(Response::from_parts(
                    parts,
                    answer_body::wrap(body, None, pool, in_flight),
                ));
            }
            Err(mut failed) => match failed.take_message() {
                Some(unsent) if tries <= STALE_TRIES => {
                    count(&upstream.counts.retries);
                    request = unsent;
                }
                _ => return Err(failure(&in_flight, failed.into_error())),
            },
        }
    }
}

/// On HTTP/2 scheme and authority are part of the target, and take the place of `Host`.
fn to_http2(request: &mut Request<Body>, fallback: &http::uri::Authority) {
    request.headers_mut().remove(header::CONNECTION);
    let host = request.headers_mut().remove(header::HOST);
    let authority = host.and_then(|host| http::uri::Authority::try_from(host.as_bytes()).ok());
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(http::uri::Scheme::HTTP);
    parts.authority = Some(authority.unwrap_or_else(|| fallback.clone()));
    parts.path_and_query = request.uri().path_and_query().cloned();
    if let Ok(uri) = http::Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    *request.version_mut() = Version::HTTP_2;
}

/// Waits for the head of an answer. The limit starts anew while the request's body moves.
pub(super) async fn wait(
    in_flight: &InFlight,
    steps: Option<&Steps>,
    answer: impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Body>>>>,
) -> Result<Result<Response<Incoming>, TrySendError<Request<Body>>>, ProxyError> {
    let upstream = in_flight.upstream();
    let limit = upstream.config.first_byte_timeout;
    let mut answer = std::pin::pin!(answer);
    loop {
        let before = steps.map(Steps::taken);
        if let Ok(result) = tokio::time::timeout(limit, answer.as_mut()).await {
            return Ok(result);
        }
        if before == steps.map(Steps::taken) {
            count(&upstream.counts.timeouts);
            let detail = "The upstream did not answer in time.";
            let error = ProxyError::new(Source::Upstream, StatusCode::GATEWAY_TIMEOUT, detail);
            return Err(error.with_cause(format!(
                "upstream {}: no head of an answer within {limit:?}",
                upstream.name
            )));
        }
    }
}

/// What went wrong at the upstream, or at the client whose body was being sent.
pub(super) fn failure(in_flight: &InFlight, error: hyper::Error) -> ProxyError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(error) = cause {
        if error.is::<BodyTooLarge>() {
            let detail = "The request's body is larger than this server takes.";
            return ProxyError::new(Source::Client, StatusCode::PAYLOAD_TOO_LARGE, detail);
        }
        cause = error.source();
    }
    if error.is_user() {
        let detail = "The request's body broke off or is not framed as it says.";
        return ProxyError::new(Source::Client, StatusCode::BAD_REQUEST, detail)
            .with_cause(connect::chain(&error));
    }
    connect::broken(in_flight.upstream(), error)
}

pub(super) fn clean(
    in_flight: &InFlight,
    parts: &mut http::response::Parts,
) -> Result<(), ProxyError> {
    if parts.status.is_informational() {
        // An upgrade is asked for elsewhere (`upgrade`), so 101 is no answer to what was sent.
        let cause = format!("status {}", parts.status.as_u16());
        return Err(connect::broken(in_flight.upstream(), cause));
    }
    if parts.headers.contains_key(header::TRANSFER_ENCODING) {
        // RFC 9112, section 6.3: the encoding overrides the length, which must not be passed on.
        parts.headers.remove(header::CONTENT_LENGTH);
    }
    fields::remove_hop_by_hop(&mut parts.headers);
    parts
        .headers
        .append(header::VIA, HeaderValue::from_static(fields::VIA));
    Ok(())
}

/// RFC 9110, section 9.2.2.
fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE | Method::TRACE
    )
}

/// A request without a body once more.
fn copy_of(request: &Request<Body>) -> Request<Body> {
    let mut copy = Request::new(Body::Empty);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}

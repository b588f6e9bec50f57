//! One request over HTTP/3: into the pipeline as any other, and its answer out.

use std::rc::Rc;
use std::time::SystemTime;

use bytes::{Buf as _, Bytes};
use h3::error::Code;
use h3::server::{RequestResolver, RequestStream};
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body::Body as _;
use http_body_util::BodyExt as _;

use super::received::Received;
use crate::body::Body;
use crate::connection::{Connection, in_time};
use crate::error::BoxError;
use crate::metrics::Count;
use crate::request::{self, Outgoing};
use crate::worker::Worker;

type Resolver = RequestResolver<h3_quinn::Connection, Bytes>;
type Sender = RequestStream<h3_quinn::SendStream<Bytes>, Bytes>;
type Receiver = RequestStream<h3_quinn::RecvStream, Bytes>;

/// Answers a request.
pub(super) async fn answer(worker: Rc<Worker>, connection: Rc<Connection>, resolver: Resolver) {
    let limit = worker.setup().config.listen.header_read_timeout;
    let head = async {
        let (request, stream) = resolver.resolve_request().await?;
        let (sender, receiver) = stream.split();
        if is_malformed(request.headers()) {
            return Ok((request, sender, None));
        }
        let body = body_of(&request, receiver).await?;
        Ok::<_, BoxError>((request, sender, Some(body)))
    };
    let (request, mut sender, body) = match in_time(&worker, limit, head).await {
        Some(Ok(head)) => head,
        Some(Err(error)) => {
            worker.metrics.count(Count::Refused);
            tracing::debug!(%error, "a request over HTTP/3 is none: {error}");
            return;
        }
        None => return,
    };
    let Some(body) = body else {
        worker.metrics.count(Count::Refused);
        return sender.stop_stream(Code::H3_MESSAGE_ERROR);
    };
    let bodiless = request.method() == Method::HEAD;
    let request = request.map(|()| body);
    let Ok(response) = request::answer(Rc::clone(&worker), connection, request).await;
    if let Err(error) = send(&worker, &mut sender, response, bodiless).await {
        tracing::debug!(%error, "an answer over HTTP/3 broke off: {error}");
        sender.stop_stream(Code::H3_INTERNAL_ERROR);
    }
}

/// Fields that only other versions know make a request malformed (RFC 9114, section 4.2).
fn is_malformed(headers: &HeaderMap) -> bool {
    let of_a_connection = [
        "connection",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "upgrade",
    ];
    let te = headers.get_all(header::TE).iter();
    of_a_connection
        .iter()
        .any(|name| headers.contains_key(*name))
        || te.into_iter().any(|value| value != "trailers")
        || headers.get_all(header::CONTENT_LENGTH).iter().count() > 1
}

/// The body. Whether there is one at all is known only when the first of it comes, or the end.
async fn body_of(request: &Request<()>, mut receiver: Receiver) -> Result<Body, BoxError> {
    let length = match request.headers().get(header::CONTENT_LENGTH) {
        Some(value) => Some(value.to_str()?.parse::<u64>()?),
        None => None,
    };
    if length == Some(0) {
        return Ok(Body::stream(Received::new(receiver, None, length)));
    }
    let usually_has_one = matches!(
        *request.method(),
        Method::POST | Method::PUT | Method::PATCH
    );
    let mut first = None;
    if length.is_none() && !usually_has_one {
        let data = receiver.recv_data().await?;
        let Some(mut data) = data else {
            return Ok(Body::Empty);
        };
        first = Some(data.copy_to_bytes(data.remaining()));
    }
    Ok(Body::stream(Received::new(receiver, first, length)))
}

async fn send(
    worker: &Worker,
    sender: &mut Sender,
    response: Response<Outgoing>,
    bodiless: bool,
) -> Result<(), BoxError> {
    let (mut parts, mut body) = response.into_parts();
    dress(&mut parts, &body);
    let bodiless = bodiless || matches!(parts.status.as_u16(), 204 | 304);
    // A client that takes nothing for so long is let go.
    let limit = worker.setup().config.listen.idle_timeout;
    let late = |_| BoxError::from("the client takes nothing");
    let head = sender.send_response(Response::from_parts(parts, ()));
    tokio::time::timeout(limit, head).await.map_err(late)??;
    while let Some(frame) = if bodiless { None } else { body.frame().await } {
        match frame?.into_data() {
            Ok(data) => {
                let sent = tokio::time::timeout(limit, sender.send_data(data)).await;
                sent.map_err(late)??;
            }
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    let sent = tokio::time::timeout(limit, sender.send_trailers(trailers)).await;
                    sent.map_err(late)??;
                }
            }
        }
    }
    drop(body);
    tokio::time::timeout(limit, sender.finish())
        .await
        .map_err(late)??;
    Ok(())
}

/// What hyper does for the other versions: a date, the body's length when it is known, and no field
/// that only they know.
fn dress(parts: &mut http::response::Parts, body: &Outgoing) {
    let headers = &mut parts.headers;
    zephyr_edge_pipeline::fields::remove_hop_by_hop(headers);
    if !headers.contains_key(header::DATE) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let seconds = i64::try_from(now.unwrap_or_default().as_secs()).unwrap_or(i64::MAX);
        if let Ok(date) = HeaderValue::try_from(zephyr_cache::date::format(seconds)) {
            headers.insert(header::DATE, date);
        }
    }
    if let Some(length) = body.size_hint().exact()
        && length > 0
        && !headers.contains_key(header::CONTENT_LENGTH)
    {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
}

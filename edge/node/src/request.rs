//! One request, from its parsed head to the answer that hyper sends.

mod metered;
mod outgoing;
mod record;

use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

use http::{HeaderValue, Response, StatusCode, header};
use http_body::Body as _;
use hyper::body::Incoming;
use zephyr_edge_pipeline::admission::{self, Refusal};
use zephyr_edge_pipeline::stages;

pub(crate) use outgoing::Outgoing;

use crate::body::Body;
use crate::connection::Connection;
use crate::exchange::Exchange;
use crate::spin::PeerPort;
use crate::worker::Worker;
use crate::{fields, ids, limited_body, pipeline};
use record::Record;

/// Answers a request. What goes wrong is an answer too.
pub(crate) async fn answer(
    worker: Rc<Worker>,
    connection: Rc<Connection>,
    request: http::Request<Incoming>,
) -> Result<Response<Outgoing>, Infallible> {
    let (mut parts, incoming) = request.into_parts();
    let setup = worker.setup();
    let id = id_of(&worker, &connection, &parts.headers);
    let mut record = Record::new(
        Rc::clone(&worker),
        Rc::clone(&setup),
        Rc::clone(&connection),
        &parts,
        Arc::clone(&id),
    );
    let listen = &setup.config.listen;
    let body = body_of(&parts, incoming, listen.max_body_bytes.0);
    let admitted = admission::admit(&mut parts, &*connection, &listen.trusted_proxies);
    let (admitted, body) = match (admitted, body) {
        (Ok(admitted), Ok(body)) => (admitted, body),
        (Err(refusal), _) | (_, Err(refusal)) => {
            return Ok(refuse(record, &connection, &refusal, &id));
        }
    };
    record.authority = Arc::clone(&admitted.authority);
    record.client = admitted.client;
    let path = parts.uri.path();
    let Some(index) = setup.table.find(&admitted.authority, path) else {
        let refusal = Refusal::new(StatusCode::NOT_FOUND, "There is nothing here.");
        return Ok(refuse(record, &connection, &refusal, &id));
    };
    record.route = Some(index);
    let route = &setup.routes[index];
    if route.spin.is_some() {
        let port = match connection.peer == admitted.client {
            true => connection.peer_port,
            false => 0,
        };
        parts.extensions.insert(PeerPort(port));
    }
    let body = metered::meter(body, setup.counts(Some(index)));
    let exchange = Box::new(Exchange::new(id, admitted, Arc::clone(&route.name), parts));
    let trip = &setup.trips[index];
    let (exchange, (parts, body)) = pipeline::run(&worker, route, trip, exchange, body).await;
    record.upstream = exchange
        .request
        .extensions
        .get::<pipeline::UpstreamTime>()
        .map(|time| time.0);
    Ok(record.send(Response::from_parts(parts, body)))
}

fn id_of(worker: &Worker, connection: &Connection, headers: &http::HeaderMap) -> Arc<str> {
    if connection.trusted
        && let Some(sent) = headers.get(fields::X_REQUEST_ID)
        && ids::is_acceptable(sent.as_bytes())
        && let Ok(sent) = sent.to_str()
    {
        return sent.into();
    }
    worker.ids.borrow_mut().make()
}

/// The body with its bound (RFC 9110, section 15.5.14).
fn body_of(parts: &http::request::Parts, incoming: Incoming, bound: u64) -> Result<Body, Refusal> {
    if incoming.is_end_stream() {
        return Ok(Body::Empty);
    }
    if incoming.size_hint().lower() > bound {
        let detail = "The request's body is larger than this server takes.";
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, detail).closing());
    }
    let body = Body::Incoming(incoming);
    // A length that was announced and is small enough cannot grow: hyper keeps it.
    if parts.headers.contains_key(header::CONTENT_LENGTH) && parts.version < http::Version::HTTP_2 {
        return Ok(body);
    }
    Ok(limited_body::limit(body, bound))
}

fn refuse(
    record: Record,
    connection: &Connection,
    refusal: &Refusal,
    id: &str,
) -> Response<Outgoing> {
    let (mut parts, body) = stages::refuse(refusal, id);
    if refusal.closes && connection.http1 {
        let close = HeaderValue::from_static("close");
        parts.headers.insert(header::CONNECTION, close);
    }
    record.send(Response::from_parts(parts, Body::full(body)))
}

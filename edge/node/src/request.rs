//! One request, from its parsed head to the answer that hyper sends.

mod http2_head;
mod options;
mod outgoing;
mod own;
mod record;
mod upgrade;

use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body::Body as _;
use hyper::upgrade::OnUpgrade;
use zephyr_edge_pipeline::admission::{self, Refusal};
use zephyr_edge_pipeline::stages;

pub(crate) use outgoing::Outgoing;

use crate::body::Body;
use crate::config::Listen;
use crate::connection::Connection;
use crate::exchange::Exchange;
use crate::metrics::Count;
use crate::spin::PeerPort;
use crate::tunnel::Wish;
use crate::worker::Worker;
use crate::{fields, ids, limited_body, pipeline, slow_body};
use record::Record;

/// Answers a request. What goes wrong is an answer too.
pub(crate) async fn answer(
    worker: Rc<Worker>,
    connection: Rc<Connection>,
    request: http::Request<Body>,
) -> Result<Response<Outgoing>, Infallible> {
    let answer = exchange(&worker, &connection, request).await;
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        connection.stays();
    }
    Ok(answer)
}

async fn exchange(
    worker: &Rc<Worker>,
    connection: &Rc<Connection>,
    request: http::Request<Body>,
) -> Response<Outgoing> {
    let (mut parts, incoming) = request.into_parts();
    let setup = worker.setup();
    let id = id_of(worker, connection, &parts.headers);
    let mut record = Record::new(
        Rc::clone(worker),
        Rc::clone(&setup),
        Rc::clone(connection),
        &parts,
        Arc::clone(&id),
    );
    if let Some(refusal) = connection.head() {
        worker.metrics.count(Count::Refused);
        return refuse(record, connection, &refusal, &id);
    }
    let listen = &setup.config.listen;
    let client_switches = parts.extensions.remove::<OnUpgrade>();
    let wish = Wish::of(&mut parts, !incoming.is_end_stream());
    if wish.is_none() {
        connection.stays();
    }
    let body = body_of(&parts, incoming, listen);
    let checked = match connection.http1 {
        true => Ok(()),
        false => http2_head::check(&mut parts.headers, listen.max_headers as usize),
    };
    let takes_trailers = takes_trailers(&parts.headers);
    let admitted =
        checked.and_then(|()| admission::admit(&mut parts, &**connection, &listen.trusted_proxies));
    let (admitted, body) = match (admitted, body) {
        (Ok(admitted), Ok(body)) => (admitted, body),
        (Err(refusal), _) | (_, Err(refusal)) => {
            return refuse(record, connection, &refusal, &id);
        }
    };
    record.authority = Arc::clone(&admitted.authority);
    record.client = admitted.client;
    if let Some(answer) = own::answer(&worker.node, listen, connection, &admitted, &parts) {
        return match answer {
            Ok(answer) => record.send(answer),
            Err(refusal) => refuse(record, connection, &refusal, &id),
        };
    }
    if parts.method == Method::OPTIONS && options::is_asked(&mut parts) {
        let (parts, body) = options::answer(&id);
        return record.send(Response::from_parts(parts, body));
    }
    let path = parts.uri.path();
    let Some(index) = setup.table.find(&admitted.authority, path) else {
        let refusal = Refusal::new(StatusCode::NOT_FOUND, "There is nothing here.");
        return refuse(record, connection, &refusal, &id);
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
    if takes_trailers {
        parts.extensions.insert(pipeline::TakesTrailers);
    }
    let upgrade = match upgrade::prepare(worker, &setup, route, wish, &mut parts) {
        Ok(upgrade) => upgrade,
        Err(refusal) => return refuse(record, connection, &refusal, &id),
    };
    if upgrade.is_none() {
        connection.stays();
    }
    let exchange = Box::new(Exchange::new(id, admitted, Arc::clone(&route.name), parts));
    let trip = &setup.trips[index];
    let (exchange, (mut parts, body)) = pipeline::run(worker, route, trip, exchange, body).await;
    record.upstream = exchange
        .request
        .extensions
        .get::<pipeline::UpstreamTime>()
        .map(|time| time.0);
    if let Some(upgrade) = upgrade {
        match upgrade.judge(&mut parts) {
            Ok(None) => {}
            Ok(Some(switched)) => {
                return switched.tunnel(worker, &setup, connection, record, client_switches, parts);
            }
            Err(refusal) => return refuse(record, connection, &refusal, &exchange.id),
        }
    }
    record.send(Response::from_parts(parts, body))
}

/// RFC 9110, section 10.1.4.
fn takes_trailers(headers: &http::HeaderMap) -> bool {
    headers.get_all(header::TE).iter().any(|line| {
        line.as_bytes()
            .split(|byte| *byte == b',')
            .any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
    })
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

/// The body with its bounds: of its size (RFC 9110, section 15.5.14) and of the time it may take.
fn body_of(parts: &http::request::Parts, incoming: Body, listen: &Listen) -> Result<Body, Refusal> {
    let bound = listen.max_body_bytes.0;
    if incoming.is_end_stream() {
        return Ok(Body::Empty);
    }
    if incoming.size_hint().lower() > bound {
        let detail = "The request's body is larger than this server takes.";
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, detail).closing());
    }
    // A stream of gRPC may be silent for as long as both sides like.
    let content_type = parts.headers.get(header::CONTENT_TYPE);
    let is_grpc =
        content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
    let body = match listen.min_body_rate.0 {
        rate @ 1.. if !is_grpc => slow_body::limit(incoming, rate, listen.body_rate_grace),
        _ => incoming,
    };
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
    if refusal.status == StatusCode::UPGRADE_REQUIRED {
        // RFC 9110, section 15.5.22; RFC 6455, section 4.4.
        let fields = [
            (header::UPGRADE, "websocket"),
            (header::SEC_WEBSOCKET_VERSION, "13"),
        ];
        for (name, value) in fields {
            parts.headers.insert(name, HeaderValue::from_static(value));
        }
    }
    if refusal.closes && connection.http1 {
        let close = HeaderValue::from_static("close");
        parts.headers.insert(header::CONNECTION, close);
    }
    record.send(Response::from_parts(parts, Body::full(body)))
}

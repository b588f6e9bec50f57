//! HTTP/1 on a connection: hyper while something is on its way, no more than the socket while nothing
//! is.

use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;

use super::drive::{End, drive};
use super::member::{Member, Rested};
use super::socket::Socket;
use super::state::Connection;
use super::timekeeper::Timekeeper;
use super::transport::Transport;
use super::{limits, linger};
use crate::body::Body;
use crate::config::Listen;
use crate::metrics::Resting;
use crate::request;
use crate::worker::Worker;

/// For a client of TLS to take the end of its connection.
const FAREWELL: Duration = Duration::from_secs(1);

/// Serves a connection to its end, or until it rests in the worker's lot.
pub(super) async fn serve(
    worker: Rc<Worker>,
    mut member: Member,
    mut transport: Transport,
    mut first: BytesMut,
) {
    loop {
        let busy = Box::pin(busy(&worker, &member, transport, first)).await;
        let Some((stream, rest)) = busy else { return };
        (transport, first) = (stream, rest);
        if !first.is_empty() {
            continue;
        }
        let limit = worker.setup().config.listen.idle_timeout;
        let rested = Rested {
            member,
            transport,
            counted: Resting::new(&worker.metrics),
        };
        let Some(rested) = worker.park(rested, limit) else {
            return;
        };
        let wakes = tokio::select! {
            woken = tokio::time::timeout(limit, rested.transport.readable()) => {
                matches!(woken, Ok(Ok(())))
            }
            () = worker.drained() => false,
        };
        (member, transport) = (rested.member, rested.transport);
        if !wakes {
            // A client of TLS is told; one that does not take it is not waited for.
            let _ = tokio::time::timeout(FAREWELL, transport.shutdown()).await;
            return;
        }
    }
}

/// Serves requests until the connection ends, or has come to rest between two of them: then tells the
/// socket, and what has been read from it and not been used.
async fn busy(
    worker: &Rc<Worker>,
    member: &Member,
    stream: Transport,
    first: BytesMut,
) -> Option<(Transport, BytesMut)> {
    let connection = Rc::new(Connection::new(
        member.peer,
        member.trusted,
        true,
        member.tls,
    ));
    let setup = worker.setup();
    let listen = &setup.config.listen;
    let socket = Socket::new(stream, first, limits(listen), Rc::clone(&connection));
    let service = {
        let (worker, connection) = (Rc::clone(worker), Rc::clone(&connection));
        service_fn(move |request: Request<Incoming>| {
            let request = request.map(Body::Incoming);
            request::answer(Rc::clone(&worker), Rc::clone(&connection), request)
        })
    };
    let mut hyper = setup.http1.serve_connection(TokioIo::new(socket), service);
    let timekeeper = Timekeeper::new(listen);
    drop(setup);
    let end = drive(
        Pin::new(&mut hyper),
        worker,
        &connection,
        timekeeper,
        |_| Ok(()),
    )
    .await;
    if end == End::Cut {
        return None;
    }
    // Taken apart and not upgraded by hyper, which would have the socket travel between threads.
    let parts = hyper.into_parts();
    let (stream, rest) = parts.io.into_inner().into_parts();
    let mut early = BytesMut::from(parts.read_buf);
    early.unsplit(BytesMut::from(rest));
    if end == End::Rests {
        return Some((stream, early));
    }
    let switch = connection.switch.take();
    match switch {
        Some(switch) => switch.run(stream, early.freeze()).await,
        None if connection.ended.get() => {}
        None => linger::linger(stream, worker).await,
    }
    None
}

/// How hyper serves HTTP/1 here.
pub(crate) fn builder(listen: &Listen) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // The scanner keeps both limits, and answers in words; hyper's own are beyond them.
    builder.max_header_size(listen.max_header_bytes.as_usize() + 1024);
    builder.max_headers(listen.max_headers as usize + 1);
    // Also bounds what is read ahead of a slow upstream, per connection.
    builder.max_buf_size(listen.max_header_bytes.as_usize().max(128 * 1024));
    builder
}

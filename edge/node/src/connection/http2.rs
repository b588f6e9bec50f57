//! HTTP/2 on a connection.

use std::pin::pin;
use std::rc::Rc;
use std::task::Context;

use bytes::BytesMut;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};

use super::drive::drive;
use super::gather::Gathered;
use super::limits;
use super::member::Member;
use super::socket::Socket;
use super::state::Connection;
use super::timekeeper::Timekeeper;
use super::transport::Transport;
use crate::body::Body;
use crate::config::Listen;
use crate::request;
use crate::worker::Worker;

/// Of one request's body on HTTP/2, in bytes.
const STREAM_WINDOW: u32 = 256 * 1024;
/// Of all requests' bodies on one connection of HTTP/2, in bytes.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Of one answer's body on HTTP/2, in bytes.
const SEND_BUFFER: usize = 64 * 1024;
/// Streams that a client may reset before the node has looked at them; one more ends the connection.
const PENDING_RESETS: usize = 20;
/// Streams that the node may have to reset for a client's errors; one more ends the connection.
const LOCAL_RESETS: usize = 256;

/// Serves a connection to its end.
pub(super) async fn serve(
    worker: Rc<Worker>,
    member: Member,
    transport: Transport,
    first: BytesMut,
) {
    let connection = Rc::new(Connection::new(
        member.peer,
        member.trusted,
        false,
        member.tls,
    ));
    let setup = worker.setup();
    let listen = &setup.config.listen;
    let gathered = Gathered::new(transport);
    let socket = Socket::new(
        gathered.clone(),
        first,
        limits(listen),
        Rc::clone(&connection),
    );
    let service = {
        let (worker, connection) = (Rc::clone(&worker), Rc::clone(&connection));
        service_fn(move |request: Request<Incoming>| {
            let request = request.map(Body::Incoming);
            // Boxed, so that it is not copied on its way into a task.
            Box::pin(request::answer(
                Rc::clone(&worker),
                Rc::clone(&connection),
                request,
            ))
        })
    };
    let hyper = setup.http2.serve_connection(TokioIo::new(socket), service);
    let timekeeper = Timekeeper::new(listen);
    drop(setup);
    let flush = |cx: &mut Context<'_>| gathered.poll_out(cx, &connection);
    drive(pin!(hyper), &worker, &connection, timekeeper, flush).await;
}

/// How hyper serves HTTP/2 here.
pub(crate) fn builder(listen: &Listen) -> http2::Builder<LocalExecutor> {
    let mut builder = http2::Builder::new(LocalExecutor);
    builder.timer(TokioTimer::new());
    builder.max_concurrent_streams(listen.max_streams);
    builder.enable_connect_protocol();
    builder.max_header_list_size(u32::try_from(listen.max_header_bytes.0).unwrap_or(u32::MAX));
    // What a client may send that nobody has read yet, and what waits for a client that does not read.
    builder.initial_stream_window_size(STREAM_WINDOW);
    builder.initial_connection_window_size(CONNECTION_WINDOW);
    builder.max_send_buf_size(SEND_BUFFER);
    // A client that opens streams only to reset them is sent away (CVE-2023-44487, CVE-2025-8671).
    builder.max_pending_accept_reset_streams(PENDING_RESETS);
    builder.max_local_error_reset_streams(LOCAL_RESETS);
    builder.keep_alive_interval(listen.idle_timeout / 2);
    builder.keep_alive_timeout(listen.idle_timeout / 2);
    builder
}

/// Runs hyper's tasks on this thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalExecutor;

impl<F> hyper::rt::Executor<F> for LocalExecutor
where
    F: Future<Output = ()> + 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

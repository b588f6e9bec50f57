//! Serves one client's connection: finds out its protocol, runs hyper on it, closes it when it
//! keeps the node waiting or the node is to stop.

mod calm;
mod handshake;
mod linger;
mod preface;
mod proxied;
mod socket;
mod state;
mod timekeeper;
mod transport;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use zephyr_tls::proxy_protocol::Source;

pub(crate) use state::Connection;

use crate::body::Body;
use crate::config::Network;
use crate::http1::Limits;
use crate::metrics::{self, Count, Open};
use crate::request;
use crate::worker::Worker;
use preface::Protocol;
use socket::Socket;
use timekeeper::{Due, Timekeeper};
use transport::Transport;

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

/// For a client of TLS to take the end of its connection.
const FAREWELL: Duration = Duration::from_secs(1);

/// Which of the node's ports a connection came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    /// `listen.http`.
    Plain,
    /// `listen.https`.
    Tls,
}

/// Serves a connection to its end.
///
/// Until there is something to serve, a connection is no more than a socket and this future: what is
/// large is boxed when it is needed.
pub(crate) async fn serve(worker: Rc<Worker>, mut stream: TcpStream, peer: SocketAddr, port: Port) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone before it was served");
        return;
    }
    let setup = worker.setup();
    let listen = &setup.config.listen;
    let mut peer = canonical(peer);
    if Network::any_contains(&listen.proxy_protocol, peer.ip()) {
        let limit = listen.proxy_protocol_timeout;
        match Box::pin(client_behind(&worker, &mut stream, limit)).await {
            Some(Source::Client { source, .. }) => peer = canonical(source),
            Some(Source::Local | Source::Unknown) => {}
            None => return,
        }
    }
    let trusted = Network::any_contains(&listen.trusted_proxies, peer.ip());
    // A trusted proxy speaks for many.
    let _of_address = match listen.max_connections_per_ip {
        bound @ 1.. if !trusted => match worker.node.per_address.take(peer.ip(), bound) {
            Some(place) => Some(place),
            None => return worker.metrics.count(Count::TurnedAwayByAddress),
        },
        _ => None,
    };
    let (head_limit, handshake_limit) = (listen.header_read_timeout, listen.handshake_timeout);
    let handshakes = listen.max_handshakes;
    // A connection outlives configurations; only requests hold on to theirs.
    drop(setup);
    let mut first = BytesMut::new();
    let http1;
    let mut transport = if port == Port::Plain {
        let detected = preface::detect(&mut stream);
        let detected = in_time(&worker, head_limit, detected).await;
        let Some(Ok(Some(protocol))) = detected else {
            return;
        };
        http1 = matches!(protocol, Protocol::Http1(_));
        let (Protocol::Http1(read) | Protocol::Http2(read)) = protocol;
        first = read;
        Transport::Plain(stream)
    } else {
        let Some(tls) = &worker.node.tls else { return };
        let shaken = async {
            // Nothing is allocated for a client that sends nothing.
            let first = handshake::first_byte(&stream).await?;
            Box::pin(handshake::accept(&worker, tls, handshakes, stream, first)).await
        };
        let Some(Some(stream)) = in_time(&worker, handshake_limit, shaken).await else {
            return;
        };
        http1 = stream.get_ref().1.alpn_protocol() != Some(b"h2");
        Transport::Tls(stream)
    };
    let tls = port == Port::Tls;
    if !http1 {
        let connection = Connection::new(peer, trusted, false, tls);
        return Box::pin(http2(worker, connection, transport, first)).await;
    }
    let _open = Open::new(&worker.metrics, metrics::Protocol::Http1);
    loop {
        let connection = Connection::new(peer, trusted, true, tls);
        let first = std::mem::take(&mut first);
        let served = Box::pin(self::http1(&worker, connection, transport, first)).await;
        let Some(rested) = served else { return };
        transport = rested;
        // Between two requests a connection is no more than before the first one.
        let limit = worker.setup().config.listen.idle_timeout;
        let wakes = tokio::select! {
            woken = tokio::time::timeout(limit, transport.readable()) => matches!(woken, Ok(Ok(()))),
            () = worker.drained() => false,
        };
        if !wakes {
            // A client of TLS is told; one that does not take it is not waited for.
            let _ = tokio::time::timeout(FAREWELL, transport.shutdown()).await;
            return;
        }
    }
}

/// An IPv4 address mapped into IPv6 is the IPv4 address.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// What happens within the limit; none when it does not, which is counted, or when the node is to
/// stop.
pub(crate) async fn in_time<T>(
    worker: &Worker,
    limit: Duration,
    what: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        done = tokio::time::timeout(limit, what) => {
            if done.is_err() {
                worker.metrics.count(Count::Stalled);
            }
            done.ok()
        }
        () = worker.drained() => None,
    }
}

/// Whose connection it is, by the PROXY protocol; none when that is not said, which is counted.
async fn client_behind(worker: &Worker, stream: &mut TcpStream, limit: Duration) -> Option<Source> {
    match in_time(worker, limit, proxied::read(stream)).await? {
        Ok(source) => Some(source),
        Err(error) => {
            worker.metrics.count(Count::ProxyRefused);
            tracing::debug!(%error, "a balancer's connection is closed: {error}");
            None
        }
    }
}

/// Serves HTTP/1; the socket when the connection has come to rest between two requests.
async fn http1(
    worker: &Rc<Worker>,
    connection: Connection,
    stream: Transport,
    first: BytesMut,
) -> Option<Transport> {
    let connection = Rc::new(connection);
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
    let end = drive(Pin::new(&mut hyper), worker, &connection, timekeeper).await;
    if end == End::Cut {
        return None;
    }
    // Taken apart and not upgraded by hyper, which would have the socket travel between threads.
    let parts = hyper.into_parts();
    let (stream, rest) = parts.io.into_inner().into_parts();
    if end == End::Rests {
        // Nothing has been read of a next request.
        return (parts.read_buf.is_empty() && rest.is_empty()).then_some(stream);
    }
    let switch = connection.switch.take();
    match switch {
        Some(switch) => {
            let mut early = BytesMut::from(parts.read_buf);
            early.unsplit(BytesMut::from(rest));
            switch.run(stream, early.freeze()).await;
        }
        None if connection.ended.get() => {}
        None => linger::linger(stream, worker).await,
    }
    None
}

async fn http2(worker: Rc<Worker>, connection: Connection, stream: Transport, first: BytesMut) {
    let _open = Open::new(&worker.metrics, metrics::Protocol::Http2);
    let connection = Rc::new(connection);
    let setup = worker.setup();
    let listen = &setup.config.listen;
    let socket = Socket::new(stream, first, limits(listen), Rc::clone(&connection));
    let service = {
        let (worker, connection) = (Rc::clone(&worker), Rc::clone(&connection));
        service_fn(move |request: Request<Incoming>| {
            let request = request.map(Body::Incoming);
            request::answer(Rc::clone(&worker), Rc::clone(&connection), request)
        })
    };
    let hyper = setup.http2.serve_connection(TokioIo::new(socket), service);
    let timekeeper = Timekeeper::new(listen);
    drop(setup);
    drive(pin!(hyper), &worker, &connection, timekeeper).await;
}

fn limits(listen: &crate::config::Listen) -> Limits {
    Limits {
        bytes: listen.max_header_bytes.as_usize(),
        fields: listen.max_headers as usize,
    }
}

/// How hyper serves HTTP/1 here.
pub(crate) fn http1_builder(listen: &crate::config::Listen) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // The scanner keeps both limits, and answers in words; hyper's own are beyond them.
    builder.max_header_size(listen.max_header_bytes.as_usize() + 1024);
    builder.max_headers(listen.max_headers as usize + 1);
    // Also bounds what is read ahead of a slow upstream, per connection.
    builder.max_buf_size(listen.max_header_bytes.as_usize().max(128 * 1024));
    builder
}

/// How hyper serves HTTP/2 here.
pub(crate) fn http2_builder(listen: &crate::config::Listen) -> http2::Builder<LocalExecutor> {
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

/// What both kinds of hyper's connections can do.
trait Served {
    fn poll_served(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<hyper::Result<()>>;
    fn close(self: Pin<&mut Self>);
}

impl<I, B, S> Served for http1::Connection<I, S>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<crate::error::BoxError>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: http_body::Body + 'static,
    B::Error: Into<crate::error::BoxError>,
{
    fn poll_served(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.poll(cx)
    }

    fn close(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, B, S> Served for http2::Connection<I, S, LocalExecutor>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<crate::error::BoxError>,
    S::Future: 'static,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: http_body::Body + 'static,
    B::Error: Into<crate::error::BoxError>,
    LocalExecutor: hyper::rt::bounds::Http2ServerConnExec<S::Future, B>,
{
    fn poll_served(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.poll(cx)
    }

    fn close(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// How driving a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// hyper is done with it.
    Done,
    /// Nothing is on its way, and has not been for a while.
    Rests,
    /// The peer keeps the node waiting.
    Cut,
}

/// Runs hyper to the connection's end, or until it rests.
async fn drive<C: Served>(
    mut hyper: Pin<&mut C>,
    worker: &Worker,
    connection: &Connection,
    mut timekeeper: Timekeeper,
) -> End {
    // HTTP/2 can say that it takes no more without losing a request (RFC 9113, section 6.8).
    let mut drained = pin!(async {
        match connection.http1 {
            true => worker.drained().await,
            false => worker.left().await,
        }
    });
    let mut closing = false;
    let mut drain_registered = false;
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(result) = hyper.as_mut().poll_served(cx) {
                if let Err(error) = result {
                    refused(worker, &error);
                }
                return Poll::Ready(End::Done);
            }
            // One that is to end and does nothing more is not waited for as long as an idle one.
            if worker.is_draining() {
                timekeeper.hurry();
            }
            let asked = (!drain_registered || worker.is_leaving())
                && !closing
                && drained.as_mut().poll(cx).is_ready();
            drain_registered = true;
            let due = timekeeper.poll(cx, connection);
            match due {
                Poll::Ready(Due::Stalled) => {
                    worker.metrics.count(Count::Stalled);
                    return Poll::Ready(End::Cut);
                }
                Poll::Ready(Due::Rest) if !closing && !worker.is_leaving() => {
                    return Poll::Ready(End::Rests);
                }
                // An idle one that does not go when asked is dropped when it is next looked at.
                Poll::Ready(Due::Rest | Due::Idle) if closing => return Poll::Ready(End::Cut),
                Poll::Ready(Due::Rest | Due::Idle) => {}
                Poll::Pending if asked => {}
                Poll::Pending => return Poll::Pending,
            }
            closing = true;
            hyper.as_mut().close();
        }
    })
    .await
}

/// hyper has answered 400, 414 or 431 by itself, or the client has left.
fn refused(worker: &Worker, error: &hyper::Error) {
    if error.is_parse() {
        worker.metrics.count(Count::Refused);
    }
    tracing::debug!(%error, "a connection ended early");
}

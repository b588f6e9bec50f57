//! Serves one client's connection: finds out its protocol, runs hyper on it, closes it when it
//! keeps the node waiting or the node is to stop.

mod preface;
mod socket;
mod state;
mod timekeeper;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

pub(crate) use state::Connection;

use crate::metrics::{self, Count, Open};
use crate::request;
use crate::worker::Worker;
use preface::Protocol;
use socket::Socket;
use timekeeper::{Due, Timekeeper};

/// How many requests a client may have open at once on HTTP/2.
const MAX_STREAMS: u32 = 128;

/// Serves a connection to its end.
pub(crate) async fn serve(worker: Rc<Worker>, mut stream: TcpStream, peer: SocketAddr) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone before it was served");
        return;
    }
    let setup = worker.setup();
    let listen = &setup.config.listen;
    let head_timeout = listen.header_read_timeout;
    let protocol = tokio::select! {
        detected = tokio::time::timeout(head_timeout, preface::detect(&mut stream)) => {
            match detected {
                Ok(Ok(Some(protocol))) => protocol,
                Ok(Ok(None) | Err(_)) => return,
                Err(_) => return worker.metrics.count(Count::Stalled),
            }
        }
        () = worker.drained() => return,
    };
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let trusted = listen
        .trusted_proxies
        .iter()
        .any(|network| network.contains(peer.ip()));
    match protocol {
        Protocol::Http1(first) => {
            let _open = Open::new(&worker.metrics, metrics::Protocol::Http1);
            let connection = Rc::new(Connection::new(peer, trusted, true));
            let io = TokioIo::new(Socket::new(stream, first, Rc::clone(&connection)));
            let service = {
                let (worker, connection) = (Rc::clone(&worker), Rc::clone(&connection));
                service_fn(move |request| {
                    request::answer(Rc::clone(&worker), Rc::clone(&connection), request)
                })
            };
            let hyper = setup.http1.serve_connection(io, service);
            let timekeeper = Timekeeper::new(listen);
            // A connection outlives configurations; only requests hold on to theirs.
            drop(setup);
            drive(pin!(hyper), &worker, &connection, timekeeper).await;
        }
        Protocol::Http2(first) => {
            let _open = Open::new(&worker.metrics, metrics::Protocol::Http2);
            let connection = Rc::new(Connection::new(peer, trusted, false));
            let io = TokioIo::new(Socket::new(stream, first, Rc::clone(&connection)));
            let service = {
                let (worker, connection) = (Rc::clone(&worker), Rc::clone(&connection));
                service_fn(move |request| {
                    request::answer(Rc::clone(&worker), Rc::clone(&connection), request)
                })
            };
            let hyper = setup.http2.serve_connection(io, service);
            let timekeeper = Timekeeper::new(listen);
            drop(setup);
            drive(pin!(hyper), &worker, &connection, timekeeper).await;
        }
    }
}

/// How hyper serves HTTP/1 here.
pub(crate) fn http1_builder(listen: &crate::config::Listen) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.max_header_size(listen.max_header_bytes.as_usize());
    builder.max_headers(listen.max_headers as usize);
    // Also bounds what is read ahead of a slow upstream, per connection.
    builder.max_buf_size(listen.max_header_bytes.as_usize().max(128 * 1024));
    builder
}

/// How hyper serves HTTP/2 here.
pub(crate) fn http2_builder(listen: &crate::config::Listen) -> http2::Builder<LocalExecutor> {
    let mut builder = http2::Builder::new(LocalExecutor);
    builder.timer(TokioTimer::new());
    builder.max_concurrent_streams(MAX_STREAMS);
    builder.max_header_list_size(u32::try_from(listen.max_header_bytes.0).unwrap_or(u32::MAX));
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

async fn drive<C: Served>(
    mut hyper: Pin<&mut C>,
    worker: &Worker,
    connection: &Connection,
    mut timekeeper: Timekeeper,
) {
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
                return Poll::Ready(());
            }
            let asked = (!drain_registered || worker.is_leaving())
                && !closing
                && drained.as_mut().poll(cx).is_ready();
            drain_registered = true;
            let due = timekeeper.poll(cx, connection);
            match due {
                Poll::Ready(Due::Stalled) => {
                    worker.metrics.count(Count::Stalled);
                    return Poll::Ready(());
                }
                // An idle one that does not go when asked is dropped when it is next looked at.
                Poll::Ready(Due::Idle) if closing => return Poll::Ready(()),
                Poll::Ready(Due::Idle) => {}
                Poll::Pending if asked => {}
                Poll::Pending => return Poll::Pending,
            }
            closing = true;
            hyper.as_mut().close();
        }
    })
    .await;
}

/// hyper has answered 400, 414 or 431 by itself, or the client has left.
fn refused(worker: &Worker, error: &hyper::Error) {
    if error.is_parse() {
        worker.metrics.count(Count::Refused);
    }
    tracing::debug!(%error, "a connection ended early");
}

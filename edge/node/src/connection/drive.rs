//! Runs hyper on a connection, beside the connection's clock.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};

use super::http2::LocalExecutor;
use super::state::Connection;
use super::timekeeper::{Due, Timekeeper};
use crate::error::BoxError;
use crate::metrics::Count;
use crate::worker::Worker;

/// What both kinds of hyper's connections can do.
pub(super) trait Served {
    fn poll_served(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<hyper::Result<()>>;
    fn close(self: Pin<&mut Self>);
}

impl<I, B, S> Served for http1::Connection<I, S>
where
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Error: Into<BoxError>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: http_body::Body + 'static,
    B::Error: Into<BoxError>,
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
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Error: Into<BoxError>,
    S::Future: 'static,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: http_body::Body + 'static,
    B::Error: Into<BoxError>,
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
pub(super) enum End {
    /// hyper is done with it.
    Done,
    /// Nothing is on its way, and has not been for a while.
    Rests,
    /// The peer keeps the node waiting.
    Cut,
}

/// Runs hyper to the connection's end, or until it rests. `written` is called when hyper has written all
/// that it can, to send what was gathered of that.
pub(super) async fn drive<C: Served>(
    mut hyper: Pin<&mut C>,
    worker: &Worker,
    connection: &Rc<Connection>,
    mut timekeeper: Timekeeper,
    mut written: impl FnMut(&mut Context<'_>) -> io::Result<()>,
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
            if let Err(error) = written(cx) {
                tracing::debug!(%error, "a connection ended early");
                return Poll::Ready(End::Cut);
            }
            if connection.at_rest() && !closing && !worker.is_leaving() {
                match connection.lull.take() {
                    true => return Poll::Ready(End::Rests),
                    false => worker.lulls.watch(connection, cx.waker()),
                }
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
                // An idle one that does not go when asked is dropped when it is next looked at.
                Poll::Ready(Due::Idle) if closing => return Poll::Ready(End::Cut),
                Poll::Ready(Due::Idle) => {}
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

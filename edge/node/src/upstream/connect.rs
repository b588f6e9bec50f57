//! Makes connections to a server.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use http::StatusCode;
use hyper::client::conn::{http1, http2};
use hyper::rt::{Read, Write};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use zephyr_edge_pipeline::proxy_status::ErrorType;

use super::{Endpoint, Upstream, count, failure, tls};
use crate::body::Body;
use crate::config::Http2;
use crate::error::{ProxyError, Source};

/// Answers with more fields are refused.
const MAX_HEADERS: usize = 100;
/// An answer's head above this is refused; reads ahead of a slow client stop here too.
const MAX_BUFFER: usize = 256 * 1024;
/// The same on HTTP/2, where fields are counted with 32 bytes each for the trouble.
const MAX_HEADER_LIST: u32 = 64 * 1024;

/// A connection, by what is spoken on it.
#[derive(Debug)]
pub(super) enum Made {
    Http1(http1::SendRequest<Body>),
    /// With the number of streams that the server allows now.
    Http2(http2::SendRequest<Body>, Arc<AtomicUsize>),
}

/// Makes a connection; the time limit covers the TLS handshake.
pub(super) async fn open(upstream: &Upstream, endpoint: &Endpoint) -> Result<Made, ProxyError> {
    open_in(upstream, endpoint, connect(upstream, endpoint)).await
}

/// Makes a connection on which HTTP/1.1 is spoken, whatever else the server could.
pub(super) async fn open_http1(
    upstream: &Upstream,
    endpoint: &Endpoint,
) -> Result<http1::SendRequest<Body>, ProxyError> {
    let connect = async {
        let stream = tcp(endpoint).await?;
        let server = &upstream.config.servers[endpoint.of];
        let sender = match &upstream.tls {
            Some(client) if server.url.is_tls() => {
                let stream = client.connect(&server.url, stream, true).await?;
                speak_http1(TokioIo::new(stream)).await
            }
            _ => speak_http1(TokioIo::new(stream)).await,
        };
        sender.map_err(io::Error::other)
    };
    open_in(upstream, endpoint, connect).await
}

async fn open_in<T>(
    upstream: &Upstream,
    endpoint: &Endpoint,
    connect: impl Future<Output = io::Result<T>>,
) -> Result<T, ProxyError> {
    let limit = upstream.config.connect_timeout;
    let failed = |kind: ErrorType, detail, cause: String| {
        count(&upstream.counts.connect_errors);
        let status = match kind {
            ErrorType::ConnectionTimeout => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::BAD_GATEWAY,
        };
        let cause = format!(
            "upstream {} at {}: {cause}",
            upstream.name, endpoint.address
        );
        let error = ProxyError::new(Source::Upstream, status, detail);
        error.of_kind(kind).with_cause(cause).retryable()
    };
    match tokio::time::timeout(limit, connect).await {
        Ok(Ok(made)) => {
            count(&upstream.counts.connections);
            Ok(made)
        }
        Ok(Err(error)) => {
            let detail = "The upstream cannot be reached.";
            let cause = failure::chain(&error);
            Err(failed(failure::of_connect(&error), detail, cause))
        }
        Err(_) => {
            let detail = "The upstream cannot be reached in time.";
            let cause = format!("no connection within {limit:?}");
            Err(failed(ErrorType::ConnectionTimeout, detail, cause))
        }
    }
}

/// A bare connection; for checks.
pub(super) async fn tcp(endpoint: &Endpoint) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(endpoint.address).await?;
    // Only a delay is at stake; a socket that refuses the option fails on its own.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// A connection on which HTTP is spoken.
pub(super) async fn connect(upstream: &Upstream, endpoint: &Endpoint) -> io::Result<Made> {
    let stream = tcp(endpoint).await?;
    let server = &upstream.config.servers[endpoint.of];
    let http2 = upstream.config.http2;
    match &upstream.tls {
        Some(client) if server.url.is_tls() => {
            let stream = client.connect(&server.url, stream, false).await?;
            let chosen = tls::chose_http2(&stream);
            if http2 == Http2::Yes && !chosen {
                return Err(io::Error::other(
                    "the server does not offer HTTP/2 over TLS",
                ));
            }
            speak(TokioIo::new(stream), chosen).await
        }
        _ => speak(TokioIo::new(stream), http2 == Http2::Yes).await,
    }
}

async fn speak<T>(io: T, http2: bool) -> io::Result<Made>
where
    T: Read + Write + Unpin + Send + 'static,
{
    let made = if http2 {
        let (sender, allowed) = speak_http2(io).await.map_err(io::Error::other)?;
        Made::Http2(sender, allowed)
    } else {
        Made::Http1(speak_http1(io).await.map_err(io::Error::other)?)
    };
    Ok(made)
}

async fn speak_http1<T>(io: T) -> hyper::Result<http1::SendRequest<Body>>
where
    T: Read + Write + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_headers(MAX_HEADERS).max_buf_size(MAX_BUFFER);
    let (sender, connection) = builder.handshake(io).await?;
    drop(tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "a connection to an upstream ended early");
        }
    }));
    Ok(sender)
}

async fn speak_http2<T>(io: T) -> hyper::Result<(http2::SendRequest<Body>, Arc<AtomicUsize>)>
where
    T: Read + Write + Unpin + Send + 'static,
{
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10))
        .max_header_list_size(MAX_HEADER_LIST)
        .adaptive_window(true);
    let (sender, mut connection) = builder.handshake(io).await?;
    let allowed = Arc::new(AtomicUsize::new(connection.current_max_send_streams()));
    let told = Arc::clone(&allowed);
    drop(tokio::spawn(async move {
        let ended = poll_fn(|cx| {
            let poll = Pin::new(&mut connection).poll(cx);
            told.store(connection.current_max_send_streams(), Relaxed);
            poll
        });
        if let Err(error) = ended.await {
            tracing::debug!(%error, "a connection to an upstream ended early");
        }
    }));
    Ok((sender, allowed))
}

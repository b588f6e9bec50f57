//! Makes connections to an upstream.

use std::time::Duration;

use http::StatusCode;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::{Upstream, count};
use crate::body::Body;
use crate::error::{BoxError, ProxyError, Source};

/// Answers with more fields are refused.
const MAX_HEADERS: usize = 100;
/// An answer's head above this is refused; reads ahead of a slow client stop here too.
const MAX_BUFFER: usize = 256 * 1024;

async fn tcp(upstream: &Upstream) -> Result<TcpStream, ProxyError> {
    let (host, port) = upstream.config.url.host_and_port();
    let limit = upstream.config.connect_timeout;
    let failed = |status, detail, cause: BoxError| {
        count(&upstream.counts.connect_errors);
        Err(ProxyError::new(Source::Upstream, status, detail)
            .with_cause(cause)
            .retryable())
    };
    match tokio::time::timeout(limit, TcpStream::connect((host, port))).await {
        Ok(Ok(stream)) => {
            // Only a delay is at stake; a socket that refuses the option fails on its own.
            let _ = stream.set_nodelay(true);
            count(&upstream.counts.connections);
            Ok(stream)
        }
        Ok(Err(error)) => failed(
            StatusCode::BAD_GATEWAY,
            "The upstream cannot be reached.",
            format!("upstream {}: {error}", upstream.name).into(),
        ),
        Err(_) => failed(
            StatusCode::GATEWAY_TIMEOUT,
            "The upstream cannot be reached in time.",
            format!("upstream {}: no connection within {limit:?}", upstream.name).into(),
        ),
    }
}

pub(super) async fn http1(upstream: &Upstream) -> Result<http1::SendRequest<Body>, ProxyError> {
    let stream = tcp(upstream).await?;
    let mut builder = http1::Builder::new();
    builder.max_headers(MAX_HEADERS).max_buf_size(MAX_BUFFER);
    let (sender, connection) = builder
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(upstream, error))?;
    drop(tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "a connection to an upstream ended early");
        }
    }));
    Ok(sender)
}

pub(super) async fn http2(upstream: &Upstream) -> Result<http2::SendRequest<Body>, ProxyError> {
    let stream = tcp(upstream).await?;
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10))
        .adaptive_window(true);
    let handshake = builder.handshake(TokioIo::new(stream));
    let (sender, connection) = handshake.await.map_err(|error| broken(upstream, error))?;
    drop(tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to an upstream ended early");
        }
    }));
    Ok(sender)
}

/// The upstream broke off or did not speak HTTP.
pub(super) fn broken(upstream: &Upstream, cause: impl Into<BoxError>) -> ProxyError {
    count(&upstream.counts.broken);
    let detail = "The upstream broke off or did not speak HTTP.";
    ProxyError::new(Source::Upstream, StatusCode::BAD_GATEWAY, detail).with_cause(format!(
        "upstream {}: {}",
        upstream.name,
        chain(&*cause.into())
    ))
}

/// An error and its causes in one line.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

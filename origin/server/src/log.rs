//! One line per request.

use std::time::Instant;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;

/// A middleware: logs the request once its answer's head is there. The query stays out: it may hold
/// what somebody searches for.
pub(crate) async fn layer(request: Request, next: Next) -> Response {
    let start = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let answer = next.run(request).await;
    let status = answer.status().as_u16();
    let duration_ms = start.elapsed().as_secs_f64() * 1000.0;
    if path.starts_with("/-/") || path == "/control/heartbeat" {
        tracing::debug!(status, duration_ms, "{method} {path} {status}");
    } else {
        tracing::info!(status, duration_ms, "{method} {path} {status}");
    }
    answer
}

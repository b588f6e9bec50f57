//! How many requests are answered at once.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use tokio::sync::Semaphore;
use zephyr_http::Failure;
use zephyr_origin_core::ApiError;

/// A middleware: beyond the limit a request is told at once to come back, instead of waiting for
/// what it will not get in time.
pub(crate) async fn at_once(
    State(places): State<Arc<Semaphore>>,
    request: Request,
    next: Next,
) -> Response {
    match places.try_acquire() {
        Ok(_place) => next.run(request).await,
        Err(_) => Failure(ApiError::unavailable("too many requests at once")).into_response(),
    }
}

/// A middleware: cuts a request off that takes too long to its answer's head.
pub(crate) async fn in_time(
    State(limit): State<Duration>,
    request: Request,
    next: Next,
) -> Response {
    tokio::time::timeout(limit, next.run(request))
        .await
        .unwrap_or_else(|_| {
            let detail = "The request took too long and was given up.";
            let error = ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "Service unavailable",
                detail,
            );
            Failure(error.with_source(format!("no answer within {limit:?}"))).into_response()
        })
}

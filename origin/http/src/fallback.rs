//! Answers where no handler answers: unknown paths, wrong methods, panics.

use std::any::Any;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode, Uri, header};
use zephyr_origin_core::ApiError;

use crate::Failure;

/// For the router's fallback: 404.
pub async fn not_found(uri: Uri) -> Failure {
    ApiError::not_found(format!("There is nothing at {}.", uri.path())).into()
}

/// A middleware: axum's bare 405 becomes a problem; `Allow` stays.
pub async fn method_not_allowed(request: Request, next: Next) -> Response {
    let method: Method = request.method().clone();
    let answer = next.run(request).await;
    if answer.status() != StatusCode::METHOD_NOT_ALLOWED {
        return answer;
    }
    let detail = format!("{method} is not allowed here; see Allow.");
    let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", detail);
    let mut problem = Failure(error).into_response();
    if let Some(allow) = answer.headers().get(header::ALLOW) {
        problem.headers_mut().insert(header::ALLOW, allow.clone());
    }
    problem
}

/// For tower-http's `CatchPanic`: 500, and the panic in the log.
#[must_use]
pub fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    Failure(ApiError::internal(format!("a handler panicked: {text}"))).into_response()
}

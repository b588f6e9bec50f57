//! [`ApiError`] as an answer.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use zephyr_origin_core::ApiError;

use crate::request_id;

/// The error type of every handler. Anything that turns into an [`ApiError`] turns into it.
#[derive(Debug)]
pub struct Failure(pub ApiError);

impl<E: Into<ApiError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    /// The problem body. What the client must not see is logged here, once.
    fn into_response(self) -> Response {
        let Self(error) = self;
        let status = error.status();
        if status.is_server_error() {
            tracing::error!(status = status.as_u16(), "{error}");
        } else {
            tracing::debug!(status = status.as_u16(), "{error}");
        }
        let mut answer = (status, axum::Json(error.problem(request_id::current()))).into_response();
        let headers = answer.headers_mut();
        let content_type = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, content_type);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in error.headers() {
            headers.append(name, value.clone());
        }
        answer
    }
}

//! Fixed tokens: of edge nodes and of operators.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header;
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::Arc;
use subtle::ConstantTimeEq as _;
use zephyr_http::Failure;
use zephyr_origin_core::ApiError;

/// A middleware: lets through who sends the token, and nobody else.
pub(crate) async fn require(
    State(token): State<Arc<SecretString>>,
    request: Request,
    next: Next,
) -> Response {
    let sent = request
        .headers()
        .get(header::AUTHORIZATION)
        .map(http::HeaderValue::as_bytes);
    let sent = sent.and_then(|value| value.split_at_checked(7));
    let right = match sent {
        Some((scheme, sent)) if scheme.eq_ignore_ascii_case(b"bearer ") => {
            // In constant time: how long it takes does not tell how much was right.
            bool::from(sent.ct_eq(token.expose_secret().as_bytes()))
        }
        _ => false,
    };
    if right {
        return next.run(request).await;
    }
    let error = sent.map(|_| "invalid_token");
    Failure(ApiError::unauthorized(
        error,
        "This route needs its bearer token.",
    ))
    .into_response()
}

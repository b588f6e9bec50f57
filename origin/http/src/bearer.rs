//! Who asks, by a bearer token (RFC 6750) that the origin verifies itself.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::header;
use http::request::Parts;
use zephyr_origin_core::{ApiError, Identity, TokenVerifier};

use crate::Failure;

/// What verifies tokens; the composition root puts it into every request's extensions.
#[derive(Clone)]
pub struct Verifier(pub Arc<dyn TokenVerifier>);

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier")
    }
}

/// The bearer of a valid token. Without one the request gets 401.
#[derive(Clone, Debug)]
pub struct Bearer(pub Identity);

impl<S: Send + Sync> FromRequestParts<S> for Bearer {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        let Verifier(verifier) = parts
            .extensions
            .get::<Verifier>()
            .ok_or_else(|| ApiError::internal("no token verifier is installed"))?;
        let token = token(parts)?;
        let identity = verifier
            .verify(token)
            .map_err(|error| ApiError::unauthorized(Some("invalid_token"), error.to_string()))?;
        Ok(Self(identity))
    }
}

fn token(parts: &Parts) -> Result<&str, ApiError> {
    let mut lines = parts.headers.get_all(header::AUTHORIZATION).iter();
    let missing = || ApiError::unauthorized(None, "This route needs an access token.");
    let line = lines.next().ok_or_else(missing)?;
    if lines.next().is_some() {
        let detail = "Authorization is given more than once.";
        return Err(ApiError::unauthorized(Some("invalid_request"), detail));
    }
    let text = line.to_str().map_err(|_| missing())?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(missing()),
    }
}

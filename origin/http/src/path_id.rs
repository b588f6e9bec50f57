//! The `{id}` of a path.

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use uuid::Uuid;
use zephyr_origin_core::ApiError;

use crate::Failure;

/// The one parameter of a path, as an id. What is not an id names nothing: 404.
#[derive(Clone, Copy, Debug)]
pub struct PathId(pub Uuid);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| ApiError::not_found(rejection.body_text()))?;
        let id = Uuid::try_parse(&text).map_err(|_| ApiError::not_found("There is no such id."))?;
        Ok(Self(id))
    }
}

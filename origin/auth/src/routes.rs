//! HTTP.

use axum::extract::{DefaultBodyLimit, State};
use axum::response::IntoResponse;
use http::{HeaderMap, StatusCode, header};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zephyr_http::{Failure, Fields, Json};
use zephyr_origin_core::error::Problem;

use crate::Auth;
use crate::model::{Credentials, NewAccount, RefreshToken, Tokens};

/// No body here is longer.
const MAX_BODY: usize = 4 * 1024;

impl Auth {
    /// The routes of this service.
    pub fn router(&self) -> OpenApiRouter {
        OpenApiRouter::new()
            .routes(routes!(register))
            .routes(routes!(login))
            .routes(routes!(refresh))
            .routes(routes!(logout))
            .routes(routes!(jwks))
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .with_state(self.clone())
    }
}

/// Tokens are nobody else's business (RFC 6749, section 5.1).
fn private(status: StatusCode, tokens: Tokens) -> impl IntoResponse {
    (status, [(header::CACHE_CONTROL, "no-store")], Json(tokens))
}

fn user_agent(headers: &HeaderMap) -> &str {
    headers
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// Make an account
///
/// Answers with the tokens of a first session.
#[utoipa::path(
    post, path = "/api/auth/register", tag = "auth", request_body = NewAccount,
    responses(
        (status = 201, description = "The account is made", body = Tokens),
        (status = 400, description = "Not a JSON object", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The address has an account", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Longer than 4 KiB", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not application/json", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Fields are wrong; each is named", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The database is away, or too many passwords wait to be hashed", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn register(
    State(auth): State<Auth>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<impl IntoResponse, Failure> {
    let account = NewAccount::read(fields)?;
    Ok(private(
        StatusCode::CREATED,
        auth.register(account, user_agent(&headers)).await?,
    ))
}

/// Make a session
///
/// After five failed logins in a row an address is refused for a while, from 30 seconds up to an
/// hour, whether it has an account or not.
#[utoipa::path(
    post, path = "/api/auth/login", tag = "auth", request_body = Credentials,
    responses(
        (status = 200, description = "The session's tokens", body = Tokens),
        (status = 401, description = "No such address and password", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Fields are missing or unknown", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many failed logins for this address; `Retry-After` says when to come back", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The database is away, or too many passwords wait to be hashed", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn login(
    State(auth): State<Auth>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<impl IntoResponse, Failure> {
    let credentials = Credentials::read(fields)?;
    Ok(private(
        StatusCode::OK,
        auth.login(credentials, user_agent(&headers)).await?,
    ))
}

/// Spend a refresh token on new tokens
///
/// A refresh token works once. One that was spent before ends its session.
#[utoipa::path(
    post, path = "/api/auth/refresh", tag = "auth", request_body = RefreshToken,
    responses(
        (status = 200, description = "The next tokens", body = Tokens),
        (status = 401, description = "Spent, expired or unknown", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Without refresh_token", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The database is away", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn refresh(
    State(auth): State<Auth>,
    Json(token): Json<RefreshToken>,
) -> Result<impl IntoResponse, Failure> {
    Ok(private(
        StatusCode::OK,
        auth.refresh(&token.refresh_token).await?,
    ))
}

/// End a session
///
/// Its refresh tokens stop working; an access token lives out its ten minutes.
#[utoipa::path(
    post, path = "/api/auth/logout", tag = "auth", request_body = RefreshToken,
    responses(
        (status = 204, description = "The session has ended, or there was none"),
        (status = 422, description = "Without refresh_token", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The database is away", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn logout(
    State(auth): State<Auth>,
    Json(token): Json<RefreshToken>,
) -> Result<impl IntoResponse, Failure> {
    auth.logout(&token.refresh_token).await?;
    Ok((
        StatusCode::NO_CONTENT,
        [(header::CACHE_CONTROL, "no-store")],
    ))
}

/// The keys that access tokens are signed with
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "auth",
    responses((status = 200, description = "A JWK Set (RFC 7517)", body = serde_json::Value))
)]
async fn jwks(State(auth): State<Auth>) -> impl IntoResponse {
    let caching = "public, max-age=300, stale-while-revalidate=600";
    (
        [(header::CACHE_CONTROL, caching)],
        Json((*auth.jwks).clone()),
    )
}

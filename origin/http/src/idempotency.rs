//! `Idempotency-Key`: a request that is sent twice has one effect and gets one answer
//! (draft-ietf-httpapi-idempotency-key-header).
//!
//! The key's row is written in the transaction of the effect. A second request under the same key
//! waits on that row until the first is done, so "in progress" needs no state of its own, and a crash
//! leaves neither row nor effect.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sha2::{Digest as _, Sha256};
use sqlx::PgTransaction;
use uuid::Uuid;
use zephyr_db::DbError;
use zephyr_origin_core::ApiError;

use crate::Failure;

/// The header's name.
pub const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// The key of a request, if it has one: 1 to 255 visible ASCII characters.
#[derive(Clone, Debug)]
pub struct IdempotencyKey(pub Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        let mut lines = parts.headers.get_all(HEADER).iter();
        let Some(line) = lines.next() else {
            return Ok(Self(None));
        };
        let text = line.to_str().unwrap_or_default().trim();
        // The draft's structured string and the bare text that most clients send.
        let text = text
            .strip_prefix('"')
            .and_then(|t| t.strip_suffix('"'))
            .unwrap_or(text);
        let legal = (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if !legal || lines.next().is_some() {
            let detail =
                "Idempotency-Key must be given once, with 1 to 255 visible ASCII characters.";
            return Err(ApiError::bad_request(detail).into());
        }
        Ok(Self(Some(text.to_owned())))
    }
}

/// One request under a key.
#[derive(Clone, Debug)]
pub struct Attempt {
    subject: Uuid,
    key: String,
    fingerprint: [u8; 32],
}

impl Attempt {
    /// A request of this user: what it does is `target` (method and path) and `body`.
    #[must_use]
    pub fn new(subject: Uuid, key: String, target: &str, body: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(target.as_bytes());
        hash.update([0]);
        hash.update(body);
        Self {
            subject,
            key,
            fingerprint: hash.finalize().into(),
        }
    }

    /// Takes the key; answers with the first request's answer when there was one.
    ///
    /// # Errors
    ///
    /// 422 when the key was used for another request.
    pub async fn begin(&self, tx: &mut PgTransaction<'_>) -> Result<Option<Answer>, ApiError> {
        let taken = sqlx::query(
            "insert into http.idempotency (subject, key, fingerprint) values ($1, $2, $3)
             on conflict do nothing",
        )
        .bind(self.subject)
        .bind(&self.key)
        .bind(self.fingerprint.as_slice())
        .execute(&mut **tx)
        .await
        .map_err(DbError::from)?;
        if taken.rows_affected() == 1 {
            return Ok(None);
        }
        let (fingerprint, status, headers, body): (Vec<u8>, i16, serde_json::Value, Vec<u8>) =
            sqlx::query_as(
                "select fingerprint, status, headers, body from http.idempotency
                 where subject = $1 and key = $2",
            )
            .bind(self.subject)
            .bind(&self.key)
            .fetch_one(&mut **tx)
            .await
            .map_err(DbError::from)?;
        if fingerprint != self.fingerprint {
            let detail = "This Idempotency-Key was used for another request.";
            return Err(ApiError::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "Idempotency key reused",
                detail,
            ));
        }
        Ok(Some(Answer::stored(status, &headers, body)))
    }

    /// Keeps the answer, in the transaction of the effect.
    ///
    /// # Errors
    ///
    /// The database is away.
    pub async fn finish(&self, tx: &mut PgTransaction<'_>, answer: &Answer) -> Result<(), DbError> {
        let headers: serde_json::Map<String, serde_json::Value> = answer
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.into())))
            .collect();
        sqlx::query(
            "update http.idempotency set status = $3, headers = $4, body = $5
             where subject = $1 and key = $2",
        )
        .bind(self.subject)
        .bind(&self.key)
        .bind(i16::try_from(answer.status.as_u16()).unwrap_or(200))
        .bind(serde_json::Value::Object(headers))
        .bind(answer.body.as_ref())
        .execute(&mut **tx)
        .await?;
        Ok(())
    }
}

/// An answer that can be kept and given again.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The fields that matter; framing is made anew.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Answer {
    /// A JSON answer.
    ///
    /// # Errors
    ///
    /// The value cannot be written as JSON.
    pub fn json<T: serde::Serialize>(
        status: StatusCode,
        mut headers: HeaderMap,
        value: &T,
    ) -> Result<Self, ApiError> {
        let body = serde_json::to_vec(value).map_err(ApiError::internal)?;
        let json = HeaderValue::from_static("application/json");
        headers.insert(http::header::CONTENT_TYPE, json);
        Ok(Self {
            status,
            headers,
            body: body.into(),
        })
    }

    fn stored(status: i16, headers: &serde_json::Value, body: Vec<u8>) -> Self {
        let status = u16::try_from(status)
            .ok()
            .and_then(|code| StatusCode::from_u16(code).ok());
        let mut map = HeaderMap::new();
        for (name, value) in headers.as_object().into_iter().flatten() {
            let name = HeaderName::try_from(name.as_str()).ok();
            let value = value
                .as_str()
                .and_then(|text| HeaderValue::from_str(text).ok());
            if let (Some(name), Some(value)) = (name, value) {
                map.insert(name, value);
            }
        }
        map.insert("idempotency-replayed", HeaderValue::from_static("true"));
        Self {
            status: status.unwrap_or(StatusCode::OK),
            headers: map,
            body: body.into(),
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        (self.status, self.headers, self.body).into_response()
    }
}

/// Forgets keys of more than a day ago.
///
/// # Errors
///
/// The database is away.
pub async fn sweep(db: &zephyr_db::Db) -> Result<u64, DbError> {
    let swept =
        sqlx::query("delete from http.idempotency where created_at < now() - interval '24 hours'")
            .execute(db.write())
            .await?;
    Ok(swept.rows_affected())
}

//! All SQL of this service.

mod attempts;

pub(crate) use attempts::Attempts;

use sqlx::{FromRow, PgTransaction};
use time::OffsetDateTime;
use uuid::Uuid;
use zephyr_db::{Db, DbError};

/// What a login looks at.
#[derive(Debug, FromRow)]
pub(crate) struct Account {
    pub(crate) id: Uuid,
    pub(crate) password_hash: String,
}

/// A refresh token and its session.
#[derive(Debug, FromRow)]
pub(crate) struct Token {
    pub(crate) session_id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) used_at: Option<OffsetDateTime>,
    pub(crate) revoked_at: Option<OffsetDateTime>,
    pub(crate) expires_at: OffsetDateTime,
}

pub(crate) async fn insert_user(
    tx: &mut PgTransaction<'_>,
    id: Uuid,
    email: &str,
    display_name: &str,
    password_hash: &str,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into auth.users (id, email, display_name, password_hash) values ($1, $2, $3, $4)",
    )
    .bind(id)
    .bind(email)
    .bind(display_name)
    .bind(password_hash)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(crate) async fn account(db: &Db, email: &str) -> Result<Option<Account>, DbError> {
    let account = sqlx::query_as("select id, password_hash from auth.users where email = $1")
        .bind(email)
        .fetch_optional(db.write())
        .await?;
    Ok(account)
}

pub(crate) async fn insert_session(
    tx: &mut PgTransaction<'_>,
    id: Uuid,
    user: Uuid,
    user_agent: &str,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into auth.sessions (id, user_id, user_agent, expires_at)
         values ($1, $2, $3, now() + interval '30 days')",
    )
    .bind(id)
    .bind(user)
    .bind(user_agent)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(crate) async fn insert_token(
    tx: &mut PgTransaction<'_>,
    hash: &[u8; 32],
    session: Uuid,
) -> Result<(), DbError> {
    sqlx::query("insert into auth.refresh_tokens (hash, session_id) values ($1, $2)")
        .bind(hash.as_slice())
        .bind(session)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The token, its session locked: of two uses at once the second sees the first.
pub(crate) async fn lock_token(
    tx: &mut PgTransaction<'_>,
    hash: &[u8; 32],
) -> Result<Option<Token>, DbError> {
    let session: Option<Uuid> = sqlx::query_scalar(
        "select s.id from auth.sessions s join auth.refresh_tokens t on t.session_id = s.id
         where t.hash = $1 for update of s",
    )
    .bind(hash.as_slice())
    .fetch_optional(&mut **tx)
    .await?;
    if session.is_none() {
        return Ok(None);
    }
    // A statement of its own: it sees what the lock's former holder has committed.
    let token = sqlx::query_as(
        "select t.session_id, s.user_id, t.used_at, s.revoked_at, s.expires_at
         from auth.refresh_tokens t join auth.sessions s on s.id = t.session_id
         where t.hash = $1",
    )
    .bind(hash.as_slice())
    .fetch_optional(&mut **tx)
    .await?;
    Ok(token)
}

pub(crate) async fn spend(tx: &mut PgTransaction<'_>, hash: &[u8; 32]) -> Result<(), DbError> {
    sqlx::query("update auth.refresh_tokens set used_at = now() where hash = $1")
        .bind(hash.as_slice())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

pub(crate) async fn revoke(
    tx: &mut PgTransaction<'_>,
    session: Uuid,
    reason: &'static str,
) -> Result<(), DbError> {
    sqlx::query(
        "update auth.sessions set revoked_at = now(), revoked_for = $2
         where id = $1 and revoked_at is null",
    )
    .bind(session)
    .bind(reason)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Deletes sessions that ended, and their tokens; and failed logins that are long past.
pub(crate) async fn sweep(db: &Db) -> Result<u64, DbError> {
    attempts::sweep(db).await?;
    let swept = sqlx::query(
        "delete from auth.sessions
         where expires_at < now() or revoked_at < now() - interval '7 days'",
    )
    .execute(db.write())
    .await?;
    Ok(swept.rows_affected())
}

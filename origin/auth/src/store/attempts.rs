//! Failed logins by address, whether it has an account or not: what happens to an address must not
//! tell which have one.

use sha2::{Digest as _, Sha256};
use sqlx::PgTransaction;
use zephyr_db::{Db, DbError};

/// The logins of one address.
pub(crate) struct Attempts([u8; 32]);

impl Attempts {
    /// Those of an address in lower case.
    pub(crate) fn of(email: &str) -> Self {
        Self(Sha256::digest(email).into())
    }

    /// Counts a login as failed, until [`forget`](Self::forget) is called; answers with the seconds to
    /// wait when the address is locked, and then counts nothing.
    ///
    /// From the fifth in a row on, each locks the address twice as long as the one before: from 30
    /// seconds up to an hour.
    pub(crate) async fn count(&self, db: &Db) -> Result<Option<u64>, DbError> {
        let counted = sqlx::query(
            "insert into auth.login_attempts as a (email_hash, failures, last_at)
             values ($1, 1, now())
             on conflict (email_hash) do update set
                 failures = least(a.failures + 1, 1000),
                 locked_until = case when a.failures >= 4 then now()
                     + least(interval '1 hour', interval '30 seconds' * power(2, least(a.failures - 4, 10)))
                 end,
                 last_at = now()
             where a.locked_until is null or a.locked_until <= now()",
        )
        .bind(self.0.as_slice())
        .execute(db.write())
        .await?;
        if counted.rows_affected() == 1 {
            return Ok(None);
        }
        let wait: Option<i64> = sqlx::query_scalar(
            "select ceil(extract(epoch from locked_until - now()))::bigint
             from auth.login_attempts where email_hash = $1",
        )
        .bind(self.0.as_slice())
        .fetch_optional(db.write())
        .await?
        .flatten();
        // The lock may have ended in between.
        Ok(Some(wait.unwrap_or_default().max(1).unsigned_abs()))
    }

    /// A login that worked clears the address.
    pub(crate) async fn forget(&self, tx: &mut PgTransaction<'_>) -> Result<(), DbError> {
        sqlx::query("delete from auth.login_attempts where email_hash = $1")
            .bind(self.0.as_slice())
            .execute(&mut **tx)
            .await?;
        Ok(())
    }
}

/// Forgets addresses with no attempt for a day; no lock is as long.
pub(super) async fn sweep(db: &Db) -> Result<(), DbError> {
    sqlx::query("delete from auth.login_attempts where last_at < now() - interval '1 day'")
        .execute(db.write())
        .await?;
    Ok(())
}

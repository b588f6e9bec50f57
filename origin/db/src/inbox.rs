//! The inbox: a consumer remembers the events it has taken in, in the same transaction as what it
//! did about them, so that an event that comes twice has one effect.
//!
//! ```sql
//! create table control.inbox (event_id uuid primary key, taken_at timestamptz not null default now());
//! ```

use sqlx::PgTransaction;
use uuid::Uuid;

use crate::DbError;

/// A consumer's inbox. Made by [`inbox!`](crate::inbox!), so that its SQL is literal.
#[derive(Clone, Copy, Debug)]
pub struct Inbox {
    #[doc(hidden)]
    pub insert: &'static str,
    #[doc(hidden)]
    pub trim: &'static str,
}

/// The inbox of a schema: `const INBOX: Inbox = zephyr_db::inbox!("control");`
#[macro_export]
macro_rules! inbox {
    ($schema:literal) => {
        $crate::inbox::Inbox {
            insert: concat!(
                "insert into ",
                $schema,
                ".inbox (event_id) values ($1) on conflict do nothing"
            ),
            trim: concat!(
                "delete from ",
                $schema,
                ".inbox where taken_at < now() - interval '7 days'"
            ),
        }
    };
}

impl Inbox {
    /// Notes an event; false when it was noted before.
    ///
    /// # Errors
    ///
    /// The database is away.
    pub async fn is_new(
        &self,
        transaction: &mut PgTransaction<'_>,
        event: Uuid,
    ) -> Result<bool, DbError> {
        let done = sqlx::query(self.insert)
            .bind(event)
            .execute(&mut **transaction)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Forgets events of more than a week ago; no relay holds one that long.
    ///
    /// # Errors
    ///
    /// The database is away.
    pub async fn trim(&self, transaction: &mut PgTransaction<'_>) -> Result<u64, DbError> {
        Ok(sqlx::query(self.trim)
            .execute(&mut **transaction)
            .await?
            .rows_affected())
    }
}

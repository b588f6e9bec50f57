//! The outbox: events are written in the same transaction as the change they speak of, and handed
//! on by the [relay](mod@crate::relay).
//!
//! Each service has a table `<schema>.outbox`:
//!
//! ```sql
//! create table listings.outbox (
//!     seq         bigint generated always as identity primary key,
//!     id          uuid        not null unique,
//!     kind        text        not null,
//!     key         text        not null,
//!     payload     jsonb       not null,
//!     occurred_at timestamptz not null
//! );
//! ```

use sqlx::PgTransaction;
use zephyr_origin_core::Event;

use crate::DbError;

/// The channel on which a commit with events wakes the relays.
pub(crate) const CHANNEL: &str = "outbox";

/// One service's outbox. Made by [`outbox!`](crate::outbox!), so that its SQL is literal.
#[derive(Clone, Copy, Debug)]
pub struct Outbox {
    /// The service's schema.
    pub schema: &'static str,
    #[doc(hidden)]
    pub insert: &'static str,
    #[doc(hidden)]
    pub take: &'static str,
    #[doc(hidden)]
    pub delete: &'static str,
    #[doc(hidden)]
    pub waiting: &'static str,
}

/// The outbox of a schema: `const OUTBOX: Outbox = zephyr_db::outbox!("listings");`
#[macro_export]
macro_rules! outbox {
    ($schema:literal) => {
        $crate::outbox::Outbox {
            schema: $schema,
            insert: concat!(
                "insert into ",
                $schema,
                ".outbox (id, kind, key, payload, occurred_at) values ($1, $2, $3, $4, $5)"
            ),
            take: concat!(
                "select id, kind, key, payload, occurred_at from ",
                $schema,
                ".outbox order by seq limit 100"
            ),
            delete: concat!("delete from ", $schema, ".outbox where id = any($1)"),
            waiting: concat!(
                "select count(*), extract(epoch from now() - min(occurred_at))::float8 from ",
                $schema,
                ".outbox"
            ),
        }
    };
}

impl Outbox {
    /// Writes an event. It is handed on once the transaction commits, and not if it does not.
    ///
    /// # Errors
    ///
    /// The database is away.
    pub async fn publish(
        &self,
        transaction: &mut PgTransaction<'_>,
        event: &Event,
    ) -> Result<(), DbError> {
        sqlx::query(self.insert)
            .bind(event.id)
            .bind(&event.kind)
            .bind(&event.key)
            .bind(&event.payload)
            .bind(event.occurred_at)
            .execute(&mut **transaction)
            .await?;
        // PostgreSQL sends equal notifications of a transaction once, when it commits.
        sqlx::query("select pg_notify($1, $2)")
            .bind(CHANNEL)
            .bind(self.schema)
            .execute(&mut **transaction)
            .await?;
        Ok(())
    }
}

//! Migrations: one folder and one schema per service, applied in order, each in a transaction.
//!
//! Expand and contract: the old binary must run on the new schema. A file that was applied is never
//! changed (its checksum is kept in `<schema>.migrations`).

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Connection as _, PgConnection, PgPool};

/// Applies what is missing. Several origins may do so at once: the first takes a lock. Migrations of
/// a newer origin that ran before are left alone, so that an older one can still start beside it.
///
/// # Errors
///
/// The database is away, a migration fails, or an applied one was changed since.
pub async fn migrate(pool: &PgPool) -> Result<(), MigrateError> {
    // A connection that is closed whatever happens: the lock belongs to its session, and a migration
    // that fails does not give it back.
    let mut connection = pool.acquire().await?.detach();
    let outcome = apply(&mut connection).await;
    let closed = connection.close().await;
    outcome.and_then(|()| Ok(closed?))
}

async fn apply(connection: &mut PgConnection) -> Result<(), MigrateError> {
    // Waiting for the lock and building an index take longer than any request may.
    sqlx::query("set statement_timeout = 0")
        .execute(&mut *connection)
        .await?;
    for (schema, mut migrator) in migrators() {
        migrator.create_schema(schema);
        migrator.dangerous_set_table_name(format!("{schema}.migrations"));
        migrator.set_ignore_missing(true);
        migrator.run(&mut *connection).await?;
    }
    Ok(())
}

fn migrators() -> [(&'static str, Migrator); 4] {
    [
        ("http", sqlx::migrate!("../../migrations/http")),
        ("auth", sqlx::migrate!("../../migrations/auth")),
        ("listings", sqlx::migrate!("../../migrations/listings")),
        ("control", sqlx::migrate!("../../migrations/control")),
    ]
}

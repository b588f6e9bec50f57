//! Migrations: one folder and one schema per service, applied in order, each in a transaction.
//!
//! Expand and contract: the old binary must run on the new schema. A file that was applied is never
//! changed (its checksum is kept in `<schema>.migrations`).

use sqlx::PgPool;
use sqlx::migrate::{MigrateError, Migrator};

/// Applies what is missing. Several origins may do so at once: the first takes a lock.
///
/// # Errors
///
/// The database is away, a migration fails, or an applied one was changed since.
pub async fn migrate(pool: &PgPool) -> Result<(), MigrateError> {
    for (schema, mut migrator) in migrators() {
        migrator.create_schema(schema);
        migrator.dangerous_set_table_name(format!("{schema}.migrations"));
        migrator.run(pool).await?;
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

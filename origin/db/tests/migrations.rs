//! Migrations, on databases that are empty, half-way, tampered with and newer.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use sqlx::PgPool;
use sqlx::migrate::MigrateError;
use zephyr_testkit::TestDb;

const PATIENCE: Duration = Duration::from_secs(30);

async fn applied(pool: &PgPool) -> i64 {
    sqlx::query_scalar("select count(*) from listings.migrations")
        .fetch_one(pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn several_origins_may_migrate_at_once() {
    let database = TestDb::empty().await;
    let pool = database.db.write();
    let (one, two, three) = tokio::join!(
        zephyr_db::migrate(pool),
        zephyr_db::migrate(pool),
        zephyr_db::migrate(pool)
    );
    one.and(two).and(three).unwrap();
    let once = applied(pool).await;
    assert!(once >= 1);
    zephyr_db::migrate(pool).await.unwrap();
    assert_eq!(applied(pool).await, once);
}

#[tokio::test]
async fn an_applied_migration_that_was_changed_is_refused_and_nothing_stays_locked() {
    let database = TestDb::new().await;
    let pool = database.db.write();
    let set = "update listings.migrations set checksum = checksum || '\\x00' where version = 1";
    sqlx::query(set).execute(pool).await.unwrap();
    let error = zephyr_db::migrate(pool).await.unwrap_err();
    assert!(
        matches!(error, MigrateError::VersionMismatch(1)),
        "{error:?}"
    );

    let undo = "update listings.migrations set checksum = substring(checksum for length(checksum) - 1) where version = 1";
    sqlx::query(undo).execute(pool).await.unwrap();
    // From another process, so to speak.
    let other = PgPool::connect(&database.url).await.unwrap();
    tokio::time::timeout(PATIENCE, zephyr_db::migrate(&other))
        .await
        .expect("the failed attempt has given its lock back")
        .unwrap();
}

#[tokio::test]
async fn an_older_origin_starts_on_a_newer_schema() {
    let database = TestDb::new().await;
    let pool = database.db.write();
    sqlx::query(
        "insert into listings.migrations (version, description, success, checksum, execution_time)
         values (9999, 'of a newer origin', true, '\\x00', 0)",
    )
    .execute(pool)
    .await
    .unwrap();
    zephyr_db::migrate(pool).await.unwrap();
}

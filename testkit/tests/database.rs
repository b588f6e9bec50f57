//! A test's database: its own, whole, and gone afterwards.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use sqlx::{Connection as _, PgConnection};
use zephyr_testkit::{DATABASE_URL, TestDb, service_url};

async fn databases() -> Vec<String> {
    let mut admin = PgConnection::connect(&service_url(DATABASE_URL))
        .await
        .unwrap();
    sqlx::query_scalar("select datname from pg_database")
        .fetch_all(&mut admin)
        .await
        .unwrap()
}

#[tokio::test]
async fn it_is_migrated_and_dropped_with_the_value() {
    let (one, two) = tokio::join!(TestDb::new(), TestDb::new());
    assert_ne!(one.url, two.url);
    let insert = "insert into control.kv (key, value, seq) values ('site/a', 'b', 1)";
    sqlx::query(insert).execute(one.db.write()).await.unwrap();
    let rows: i64 = sqlx::query_scalar("select count(*) from control.kv")
        .fetch_one(two.db.write())
        .await
        .unwrap();
    assert_eq!(rows, 0, "nobody sees what another test does");

    let name: String = sqlx::query_scalar("select current_database()")
        .fetch_one(one.db.write())
        .await
        .unwrap();
    assert!(databases().await.contains(&name));
    // Connections are open, as when a test fails.
    drop(one);
    assert!(!databases().await.contains(&name));
    two.db.ping().await.unwrap();
}

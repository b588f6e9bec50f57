//! What a failed call means to a client.

use http::StatusCode;
use zephyr_db::DbError;
use zephyr_origin_core::ApiError;
use zephyr_testkit::TestDb;

fn status(error: impl Into<DbError>) -> StatusCode {
    ApiError::from(error.into()).status()
}

#[tokio::test]
async fn what_passes_is_503_and_what_the_client_sent_is_400() {
    let database = TestDb::new().await;
    let pool = database.db.write();
    let nul = sqlx::query("select $1::text").bind("a\0b").execute(pool);
    assert_eq!(status(nul.await.unwrap_err()), StatusCode::BAD_REQUEST);
    let nul = sqlx::query("select $1::jsonb")
        .bind(serde_json::json!({ "a": "\0" }))
        .execute(pool);
    assert_eq!(status(nul.await.unwrap_err()), StatusCode::BAD_REQUEST);

    let slow = "set statement_timeout = 10; select pg_sleep(30)";
    let slow = sqlx::raw_sql(slow).execute(pool).await.unwrap_err();
    assert_eq!(status(slow), StatusCode::SERVICE_UNAVAILABLE);
    let cut_off = sqlx::query("select pg_terminate_backend(pg_backend_pid())").execute(pool);
    assert_eq!(
        status(cut_off.await.unwrap_err()),
        StatusCode::SERVICE_UNAVAILABLE
    );

    let wrong = sqlx::query("select 1 / 0").execute(pool).await.unwrap_err();
    assert_eq!(status(wrong), StatusCode::INTERNAL_SERVER_ERROR);
    pool.close().await;
    let closed = sqlx::query("select 1").execute(pool).await.unwrap_err();
    assert_eq!(status(closed), StatusCode::SERVICE_UNAVAILABLE);
}

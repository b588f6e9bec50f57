//! Signs of life, for whoever runs the process.

use axum::extract::State;
use axum::{Router, routing};
use http::StatusCode;
use zephyr_db::Db;
use zephyr_http::Failure;

pub(crate) fn router(db: Db) -> Router {
    Router::new()
        .route("/-/live", routing::get(|| async { "live\n" }))
        .route("/-/ready", routing::get(ready))
        .with_state(db)
}

async fn ready(State(db): State<Db>) -> Result<(StatusCode, &'static str), Failure> {
    db.ping().await?;
    Ok((StatusCode::OK, "ready\n"))
}

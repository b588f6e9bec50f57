//! The origin without its database, and with it again.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, StatusCode};
use secrecy::SecretString;
use zephyr_db::private::{Postgres, PostgresOptions};
use zephyr_origin::{Config, Server};

async fn status(client: &Client, server: &Server, path: &str) -> StatusCode {
    let url = format!("http://{}{path}", server.addr());
    client.get(url).send().await.unwrap().status()
}

#[tokio::test]
async fn it_answers_503_without_the_database_and_recovers_by_itself() {
    let folder = tempfile::Builder::new()
        .prefix("zephyr-outage-")
        .tempdir()
        .unwrap();
    std::fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let options = PostgresOptions {
        data_dir: folder.path().join("postgres"),
        durable: false,
        progress: Arc::new(|_| {}),
    };
    let postgres = Postgres::start(&options).await.unwrap();
    let url = postgres.url().to_owned();
    let pool = sqlx::PgPool::connect(&url).await.unwrap();
    zephyr_db::migrate(&pool).await.unwrap();
    pool.close().await;

    let server = Server::start(Config {
        listen: ([127, 0, 0, 1], 0).into(),
        database_url: SecretString::from(url),
        admin_token: SecretString::from("admin-token-of-the-tests"),
        edge_token: SecretString::from("edge-token-of-the-tests"),
        signing_key: folder.path().join("key.pem"),
        ..Config::default()
    })
    .await
    .unwrap();
    let client = Client::builder().no_proxy().build().unwrap();
    assert_eq!(
        status(&client, &server, "/api/listings").await,
        StatusCode::OK
    );
    assert_eq!(status(&client, &server, "/-/ready").await, StatusCode::OK);

    postgres.stop().await.unwrap();
    let answer = client
        .get(format!("http://{}/api/listings", server.addr()))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()["retry-after"], "1");
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert_eq!(
        status(&client, &server, "/-/ready").await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(status(&client, &server, "/-/live").await, StatusCode::OK);

    // The second start keeps the data.
    let postgres = Postgres::start(&options).await.unwrap();
    let back = async {
        while status(&client, &server, "/api/listings").await != StatusCode::OK {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), back)
        .await
        .expect("it recovers by itself");
    server.shutdown().await;
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn weak_tokens_are_refused() {
    let error = Server::start(Config::default())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("admin token"), "{error}");
}

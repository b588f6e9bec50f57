//! One request end to end, on the real thing: a client, an edge node with its real components, the
//! origin, PostgreSQL. What the README promises, in the same order.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod platform;

use platform::{Platform, field};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

fn bicycle() -> Value {
    json!({
        "title": "Steel touring bicycle",
        "description": "Rides well, brakes well.",
        "category": "bicycles",
        "price": { "amount": 45_000, "currency": "EUR" },
    })
}

#[tokio::test]
async fn a_search_is_a_miss_then_a_hit_then_not_modified() {
    let zephyr = Platform::start().await;
    let miss = zephyr.get("/api/listings?q=bicycle").await;
    assert_eq!(miss.status(), StatusCode::OK);
    assert!(
        field(&miss, "cache-status").contains("fwd=uri-miss"),
        "{miss:?}"
    );
    assert!(!field(&miss, "ratelimit-policy").is_empty(), "{miss:?}");
    assert!(
        field(&miss, "surrogate-key").is_empty(),
        "it is for the cache alone: {miss:?}"
    );
    assert!(!miss.text().await.unwrap().is_empty());

    let hit = zephyr
        .get("/api/listings?q=bicycle&utm_source=letter")
        .await;
    assert!(
        field(&hit, "cache-status").contains("; hit"),
        "tracking makes no other key: {hit:?}"
    );
    assert!(!field(&hit, "age").is_empty(), "{hit:?}");

    let etag = field(&hit, "etag").to_owned();
    let request = zephyr.request(Method::GET, "/api/listings?q=bicycle");
    let unchanged = request.header("if-none-match", etag).send().await.unwrap();
    assert_eq!(unchanged.status(), StatusCode::NOT_MODIFIED);
    assert!(
        field(&unchanged, "cache-status").contains("; hit"),
        "{unchanged:?}"
    );
}

#[tokio::test]
async fn a_write_without_a_token_never_reaches_the_origin() {
    let zephyr = Platform::start().await;
    let refused = zephyr
        .request(Method::POST, "/api/listings")
        .json(&bicycle());
    let refused = refused.send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert!(
        field(&refused, "www-authenticate").starts_with("Bearer"),
        "{refused:?}"
    );
    // The cache tells of every trip to the upstream.
    assert!(field(&refused, "cache-status").is_empty(), "{refused:?}");
    let id = field(&refused, "x-request-id").to_owned();
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(
        (&problem["status"], &problem["request_id"]),
        (&json!(401), &json!(id))
    );
}

#[tokio::test]
async fn what_a_user_writes_the_next_search_shows_on_every_node() {
    let zephyr = Platform::with_nodes(2).await;
    let user = zephyr.origin().user("ada").await;
    for node in 0..2 {
        let before = zephyr.get_from(node, "/api/listings?q=touring").await;
        let before: Value = before.json().await.unwrap();
        assert_eq!(before["items"], json!([]));
    }
    let request = zephyr
        .request(Method::POST, "/api/listings")
        .bearer_auth(&user.access_token);
    let created = request.json(&bicycle()).send().await.unwrap();
    assert_eq!(created.status(), StatusCode::CREATED);

    // Through the node that took the write: at once (RFC 9875).
    let after: Value = zephyr
        .get("/api/listings?q=touring")
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(after["items"][0]["title"], "Steel touring bicycle");
    // Through the others: as soon as the control stream has told them.
    zephyr
        .until("the other node shows it", async || {
            let page = zephyr.get_from(1, "/api/listings?q=touring").await;
            page.json::<Value>().await.unwrap()["items"] != json!([])
        })
        .await;
}

#[tokio::test]
async fn a_burst_is_told_to_slow_down() {
    let zephyr = Platform::start().await;
    // Thirty a minute, as zephyr.toml says. However slow the machine, more than that come through
    // only in more than a minute.
    let mut answers = Vec::new();
    let limited = loop {
        let request = zephyr
            .request(Method::POST, "/api/auth/login")
            .json(&json!({}));
        let answer = request.send().await.unwrap();
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            break answer;
        }
        answers.push(answer.status());
        assert!(answers.len() < 60, "{answers:?}");
    };
    assert!(answers.len() >= 30, "the burst is allowed: {answers:?}");
    assert_eq!(limited.status(), StatusCode::TOO_MANY_REQUESTS);
    let seconds: u64 = field(&limited, "retry-after").parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn a_picture_is_made_smaller_and_kept() {
    let zephyr = Platform::start().await;
    let picture = zephyr.picture(640, 480).await;
    let path = format!("/media/{picture}?w=160&format=webp");
    let small = zephyr.get(&path).await;
    assert_eq!(small.status(), StatusCode::OK);
    assert_eq!(field(&small, "content-type"), "image/webp");
    let bytes = small.bytes().await.unwrap();
    let decoded = image::load_from_memory(&bytes).unwrap();
    assert_eq!((decoded.width(), decoded.height()), (160, 120));

    let again = zephyr.get(&path).await;
    assert!(field(&again, "cache-status").contains("; hit"), "{again:?}");
    assert_eq!(again.bytes().await.unwrap(), bytes);

    let wrong = zephyr.get(&format!("/media/{picture}?w=wide")).await;
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
    let problem: Value = wrong.json().await.unwrap();
    assert!(
        problem["detail"].as_str().unwrap().contains("`w`"),
        "{problem}"
    );
}

#[tokio::test]
async fn an_operator_purges_and_sees_nodes() {
    let zephyr = Platform::start().await;
    zephyr
        .get("/api/listings?q=purged")
        .await
        .text()
        .await
        .unwrap();
    let hit = zephyr.get("/api/listings?q=purged").await;
    assert!(field(&hit, "cache-status").contains("; hit"), "{hit:?}");

    let request = zephyr.origin().admin(Method::POST, "/admin/api/purge");
    let receipt = request
        .json(&json!({ "keys": ["listings"] }))
        .send()
        .await
        .unwrap();
    assert_eq!(receipt.status(), StatusCode::ACCEPTED);
    zephyr
        .until("the purge is done", async || {
            let answer = zephyr.get("/api/listings?q=purged").await;
            field(&answer, "cache-status").contains("fwd=uri-miss")
        })
        .await;
    zephyr
        .until("the node has been seen", async || {
            let request = zephyr.origin().admin(Method::GET, "/admin/api/nodes");
            let nodes: Value = request.send().await.unwrap().json().await.unwrap();
            nodes[0]["state"] == "alive" && nodes[0]["components"][0]["name"] == "auth"
        })
        .await;
    let through_the_edge = zephyr.get("/admin/api/nodes").await;
    assert_eq!(through_the_edge.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn without_the_origin_what_is_cached_goes_on() {
    let mut zephyr = Platform::start().await;
    zephyr
        .get("/api/listings?q=bicycle")
        .await
        .text()
        .await
        .unwrap();
    zephyr.stop_origin().await;

    let cached = zephyr.get("/api/listings?q=bicycle").await;
    assert_eq!(cached.status(), StatusCode::OK);
    let other = zephyr.get("/api/listings?q=other").await;
    assert_eq!(other.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(field(&other, "content-type"), "application/problem+json");
    let id = field(&other, "x-request-id").to_owned();
    let problem: Value = other.json().await.unwrap();
    assert_eq!(problem["request_id"], json!(id));
}

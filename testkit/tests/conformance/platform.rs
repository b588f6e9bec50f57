//! The real site before a real origin, on hosts that poll the control plane: keys come, purges arrive,
//! whoever writes reads the new state.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use zephyr_testkit::TestOrigin;

use crate::case::{Exchange, get, post};
use crate::hosts::ask;
use crate::wire::Message;

/// How long what must happen may take.
const PATIENCE: Duration = Duration::from_secs(30);

const SEARCH: &str = "/api/listings?q=bicycle";

/// What has to come of it on any host. `poll` has it ask the control plane, if it must be told to.
pub(crate) async fn check(origin: &TestOrigin, host: SocketAddr, poll: impl AsyncFn()) {
    let asked = async |request: Exchange| ask(host, &request).await.unwrap();
    let cached = |answer: &Message| answer.field("cache-status").unwrap_or_default();

    let first = asked(get(SEARCH)).await;
    assert_eq!(first.status(), 200, "{first:?}");
    assert!(cached(&first).contains("fwd=uri-miss"), "{first:?}");
    assert!(cached(&asked(get(SEARCH)).await).contains("; hit"));

    let listing = json!({
        "title": "A bicycle", "category": "bicycles", "price": { "amount": 1, "currency": "EUR" },
    });
    let write =
        || post("/api/listings", &listing.to_string()).with("content-type", "application/json");
    assert_eq!(asked(write()).await.status(), 401);

    // The key that this token is signed with came from the control plane.
    let user = origin.user("anna").await;
    let bearer = format!("Bearer {}", user.access_token);
    let made = asked(write().with("authorization", &bearer)).await;
    assert_eq!(made.status(), 201, "{made:?}");
    let after = asked(get(SEARCH)).await;
    assert!(cached(&after).contains("fwd=uri-miss"), "{after:?}");
    assert!(
        String::from_utf8_lossy(&after.body).contains("A bicycle"),
        "{after:?}"
    );

    // An operator's purge, which no answer told this host about.
    assert!(cached(&asked(get(SEARCH)).await).contains("; hit"));
    let purge = origin.admin(reqwest::Method::POST, "/admin/api/purge");
    let purge = purge.json(&json!({ "all": true })).send().await.unwrap();
    assert_eq!(purge.status(), 202);
    let purged = async {
        loop {
            poll().await;
            if cached(&asked(get(SEARCH)).await).contains("fwd=uri-miss") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(PATIENCE, purged)
        .await
        .expect("the purge arrives");
}

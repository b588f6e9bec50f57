//! The control plane, over HTTP and a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use zephyr_testkit::TestOrigin;
use zephyr_testkit::origin::EDGE_TOKEN;

/// How long what must happen may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A node's side of the change stream.
struct Stream {
    answer: Response,
    buffer: Vec<u8>,
}

impl Stream {
    async fn open(origin: &TestOrigin, after: Option<i64>) -> Self {
        let after = after.map_or_else(String::new, |after| format!("&after={after}"));
        let request = origin.request(Method::GET, &format!("/control/changes?node=edge-1{after}"));
        let answer = request.bearer_auth(EDGE_TOKEN).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
        Self {
            answer,
            buffer: Vec::new(),
        }
    }

    /// The next line.
    async fn next(&mut self) -> Value {
        self.next_or_end().await.expect("the stream goes on")
    }

    /// The next line; none when the stream has ended.
    async fn next_or_end(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let chunk = tokio::time::timeout(PATIENCE, self.answer.chunk());
            let chunk = chunk.await.expect("a line in time").unwrap()?;
            self.buffer.extend_from_slice(&chunk);
        }
    }

    /// The next line of that kind.
    async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let line = self.next().await;
            if line["kind"] == kind {
                return line;
            }
        }
    }
}

async fn purge(origin: &TestOrigin, body: &Value) -> Response {
    origin
        .admin(Method::POST, "/admin/api/purge")
        .json(body)
        .send()
        .await
        .unwrap()
}

fn heartbeat(node: &str, seq: i64) -> Value {
    json!({
        "node": node, "version": "0.1.0", "started_at": "2026-01-01T00:00:00Z", "seq": seq,
        "http_addr": "127.0.0.1:8080", "config_sha256": "00",
        "routes": [{ "name": "all", "hosts": ["*"], "paths": ["/{*rest}"], "upstream": "origin",
                     "stages": ["auth"], "cache": true }],
        "components": [{ "name": "auth", "kind": "filter", "sha256": "11" }],
        "counters": { "requests": 1 },
    })
}

async fn beat(origin: &TestOrigin, body: &Value) -> StatusCode {
    let request = origin
        .request(Method::POST, "/control/heartbeat")
        .bearer_auth(EDGE_TOKEN);
    request.json(body).send().await.unwrap().status()
}

#[tokio::test]
async fn nobody_gets_in_without_the_right_token() {
    let origin = TestOrigin::start().await;
    for path in [
        "/admin/api/nodes",
        "/admin/api/health",
        "/control/changes?node=a",
    ] {
        assert_eq!(
            origin.get(path).await.status(),
            StatusCode::UNAUTHORIZED,
            "{path}"
        );
        let wrong = origin
            .request(Method::GET, path)
            .bearer_auth("wrong-token-wrong-token");
        assert_eq!(
            wrong.send().await.unwrap().status(),
            StatusCode::UNAUTHORIZED,
            "{path}"
        );
    }
    // The two tokens do not open each other's doors.
    let edge = origin
        .request(Method::GET, "/admin/api/nodes")
        .bearer_auth(EDGE_TOKEN);
    assert_eq!(
        edge.send().await.unwrap().status(),
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn a_node_that_joins_gets_the_keys_and_then_every_change() {
    let origin = TestOrigin::start().await;
    // The origin publishes its keys when it starts; whichever comes first, the node gets them.
    let mut stream = Stream::open(&origin, None).await;
    let hello = stream.next().await;
    assert_eq!(
        (&hello["kind"], &hello["reset"]),
        (&json!("hello"), &json!(false))
    );
    let jwks = match hello["kv"]["site/jwks"].as_str() {
        Some(jwks) => jwks.to_owned(),
        None => stream.next_of("kv").await["value"]
            .as_str()
            .unwrap()
            .to_owned(),
    };
    assert!(jwks.contains("Ed25519"), "{jwks}");

    let receipt: Value = purge(&origin, &json!({ "keys": ["a"] }))
        .await
        .json()
        .await
        .unwrap();
    let line = stream.next_of("purge").await;
    assert_eq!(
        (&line["seq"], &line["purge"]),
        (&receipt["seq"], &json!({ "keys": ["a"] }))
    );
}

#[tokio::test]
async fn a_node_that_was_away_continues_where_it_stopped() {
    let origin = TestOrigin::start().await;
    let first: Value = purge(&origin, &json!({ "all": true }))
        .await
        .json()
        .await
        .unwrap();
    let first = first["seq"].as_i64().unwrap();
    purge(&origin, &json!({ "url": "http://a.example/b" })).await;

    let mut stream = Stream::open(&origin, Some(first)).await;
    let hello = stream.next().await;
    assert_eq!(
        (&hello["seq"], &hello["reset"]),
        (&json!(first), &json!(false))
    );
    let line = stream.next_of("purge").await;
    assert_eq!(line["purge"], json!({ "url": "http://a.example/b" }));

    // What the log does not reach back to, or has never reached, is said.
    sqlx::query("delete from control.changes")
        .execute(origin.database.db.write())
        .await
        .unwrap();
    for unknown in [0, 1_000_000] {
        let hello = Stream::open(&origin, Some(unknown)).await.next().await;
        assert_eq!(hello["reset"], true, "{unknown}: {hello}");
        assert!(
            hello["kv"]["site/jwks"].is_string(),
            "keys and values come whole: {hello}"
        );
    }
}

#[tokio::test]
async fn a_write_to_a_listing_is_a_purge_once() {
    let origin = TestOrigin::start().await;
    let mut stream = Stream::open(&origin, None).await;
    stream.next().await;
    let user = origin.user("ada").await;
    let body = json!({ "title": "Bicycle", "category": "bicycles", "price": { "amount": 1, "currency": "EUR" } });
    let request = origin
        .request(Method::POST, "/api/listings")
        .bearer_auth(&user.access_token);
    let made: Value = request
        .json(&body)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let keys = json!([
        "listing-search",
        format!("listing-{}", made["id"].as_str().unwrap())
    ]);
    assert_eq!(stream.next_of("purge").await["purge"]["keys"], keys);

    // The event once more, as after a crash of the relay: nothing comes of it.
    let event: uuid::Uuid = sqlx::query_scalar("select event_id from control.inbox")
        .fetch_one(origin.database.db.write())
        .await
        .unwrap();
    let again = zephyr_origin_core::Event {
        id: event,
        ..zephyr_origin_core::Event::new("listing.created", "x", json!({ "surrogate_keys": keys }))
    };
    let consumer = zephyr_control::PurgeOnEvent::new(origin.database.db.clone());
    zephyr_origin_core::Consumer::consume(&consumer, &again)
        .await
        .unwrap();
    let purges: i64 =
        sqlx::query_scalar("select count(*) from control.changes where kind = 'purge'")
            .fetch_one(origin.database.db.write())
            .await
            .unwrap();
    assert_eq!(purges, 1);
}

#[tokio::test]
async fn nodes_and_what_they_run_are_seen() {
    let origin = TestOrigin::start().await;
    assert_eq!(
        beat(&origin, &heartbeat("edge-1", 0)).await,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        beat(&origin, &heartbeat("edge-2", 0)).await,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        beat(&origin, &heartbeat("bad name", 0)).await,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    purge(&origin, &json!({ "all": true })).await;

    let get = async |path: &str| -> Value {
        origin
            .admin(Method::GET, path)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    };
    let nodes = get("/admin/api/nodes").await;
    assert_eq!(nodes.as_array().unwrap().len(), 2);
    assert_eq!(
        (&nodes[0]["node"], &nodes[0]["state"]),
        (&json!("edge-1"), &json!("alive"))
    );
    assert!(nodes[0]["behind"].as_i64() >= Some(1), "{nodes}");
    let routes = get("/admin/api/routes").await;
    assert_eq!(
        (&routes[0]["name"], &routes[0]["nodes"]),
        (&json!("all"), &json!(["edge-1", "edge-2"]))
    );
    assert_eq!(get("/admin/api/components").await[0]["sha256"], "11");
    assert_eq!(get("/admin/api/health").await["status"], "ok");

    sqlx::query(
        "update control.nodes set last_seen = now() - interval '1 minute' where name = 'edge-2'",
    )
    .execute(origin.database.db.write())
    .await
    .unwrap();
    assert_eq!(get("/admin/api/nodes").await[1]["state"], "lost");
    assert_eq!(
        get("/admin/api/routes").await[0]["nodes"],
        json!(["edge-1"])
    );
    assert_eq!(get("/admin/api/health").await["status"], "degraded");
}

#[tokio::test]
async fn a_purge_is_one_thing_and_says_so() {
    let origin = TestOrigin::start().await;
    for bad in [
        json!({}),
        json!({ "all": false }),
        json!({ "keys": [] }),
        json!({ "url": "/x" }),
        json!({ "tags": 1 }),
    ] {
        assert_eq!(
            purge(&origin, &bad).await.status(),
            StatusCode::UNPROCESSABLE_ENTITY,
            "{bad}"
        );
    }
    let receipt = purge(&origin, &json!({ "keys": ["a", "b"] })).await;
    assert_eq!(receipt.status(), StatusCode::ACCEPTED);
    let seq = receipt.json::<Value>().await.unwrap()["seq"].clone();
    let changes = origin
        .admin(Method::GET, "/admin/api/changes?limit=5")
        .send()
        .await
        .unwrap();
    let changes: Value = changes.json().await.unwrap();
    let change = changes
        .as_array()
        .unwrap()
        .iter()
        .find(|change| change["seq"] == seq);
    assert_eq!(
        change.map(|change| &change["payload"]),
        Some(&json!({ "keys": ["a", "b"] }))
    );
}

#[tokio::test]
async fn changes_made_at_once_come_in_the_order_of_their_numbers() {
    let origin = TestOrigin::start().await;
    let mut stream = Stream::open(&origin, None).await;
    let head = stream.next().await["seq"].as_i64().unwrap();
    // A writer that has its number and takes its time: nobody may get ahead of it.
    let mut slow = origin.database.db.begin().await.unwrap();
    sqlx::query("update control.head set seq = seq + 1")
        .execute(&mut *slow)
        .await
        .unwrap();
    let insert = "insert into control.changes (seq, kind, payload) select seq, 'purge', '{\"keys\":[\"slow\"]}' from control.head";
    sqlx::query(insert).execute(&mut *slow).await.unwrap();

    let keys: Vec<String> = (0..20).map(|number| format!("key-{number}")).collect();
    let bodies: Vec<Value> = keys.iter().map(|key| json!({ "keys": [key] })).collect();
    let mut others = tokio::task::JoinSet::new();
    for body in bodies {
        let request = origin
            .admin(Method::POST, "/admin/api/purge")
            .json(&body)
            .send();
        others.spawn(async move { request.await.unwrap().status() });
    }
    slow.commit().await.unwrap();
    while let Some(status) = others.join_next().await {
        assert_eq!(status.unwrap(), StatusCode::ACCEPTED);
    }

    let mut seen = Vec::new();
    for expected in head + 1..=head + 21 {
        let line = stream.next_of("purge").await;
        assert_eq!(line["seq"], expected, "{line}");
        seen.push(line["purge"]["keys"][0].as_str().unwrap().to_owned());
    }
    assert_eq!(seen.remove(0), "slow");
    seen.sort();
    let mut keys = keys;
    keys.sort();
    assert_eq!(seen, keys);
}

#[tokio::test]
async fn a_node_too_slow_for_the_log_is_never_led_over_a_gap() {
    let origin = TestOrigin::start().await;
    let mut stream = Stream::open(&origin, None).await;
    let mut seq = stream.next().await["seq"].as_i64().unwrap();
    // More than all the buffers on the way hold.
    let mut tx = origin.database.db.begin().await.unwrap();
    sqlx::query(
        "insert into control.changes (seq, kind, payload)
         select h.seq + n, 'purge', jsonb_build_object('keys', jsonb_build_array(repeat('k', 65536)))
         from control.head h, generate_series(1, 600) n",
    )
    .execute(&mut *tx)
    .await
    .unwrap();
    sqlx::query("update control.head set seq = seq + 600")
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    // The first ones are on their way; then the log is trimmed.
    let first = stream.next_of("purge").await;
    assert_eq!(first["seq"], seq + 1);
    seq += 1;
    sqlx::query("delete from control.changes where seq < (select seq from control.head)")
        .execute(origin.database.db.write())
        .await
        .unwrap();

    while let Some(line) = stream.next_or_end().await {
        if line["kind"] == "purge" {
            seq += 1;
            assert_eq!(line["seq"], seq, "no change is left out");
        }
    }
    let hello = Stream::open(&origin, Some(seq)).await.next().await;
    assert_eq!(hello["reset"], true, "and the node starts anew: {hello}");
}

#[tokio::test]
async fn a_stream_outlives_the_connections_to_the_database() {
    let origin = TestOrigin::start().await;
    let mut stream = Stream::open(&origin, None).await;
    stream.next().await;
    sqlx::query(
        "select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid()",
    )
    .execute(origin.database.db.write())
    .await
    .unwrap();
    let receipt: Value = purge(&origin, &json!({ "keys": ["after"] }))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(stream.next_of("purge").await["seq"], receipt["seq"]);
}

#[tokio::test]
async fn an_origin_that_stops_ends_its_streams() {
    let origin = TestOrigin::start().await;
    let mut stream = Stream::open(&origin, None).await;
    stream.next().await;
    let stopped = tokio::spawn(origin.stop());
    while let Some(line) = stream.next_or_end().await {
        assert_eq!(line["kind"], "ping", "{line}");
    }
    // Well before the grace would cut it off.
    tokio::time::timeout(Duration::from_secs(8), stopped)
        .await
        .expect("it stops")
        .unwrap();
}

#[tokio::test]
async fn who_purges_can_wait_for_the_nodes() {
    let origin = TestOrigin::start().await;
    beat(&origin, &heartbeat("edge-1", 0)).await;
    beat(&origin, &heartbeat("edge-2", 0)).await;
    let request = origin
        .admin(Method::POST, "/admin/api/purge?wait=true")
        .json(&json!({ "all": true }))
        .send();
    let waiting = tokio::spawn(request);
    let mut stream = Stream::open(&origin, Some(0)).await;
    let seq = stream.next_of("purge").await["seq"].as_i64().unwrap();
    beat(&origin, &heartbeat("edge-1", seq)).await;
    beat(&origin, &heartbeat("edge-2", seq)).await;
    let answer = waiting.await.unwrap().unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let receipt: Value = answer.json().await.unwrap();
    let expected = json!({ "seq": seq, "confirmed": ["edge-1", "edge-2"], "waiting": [] });
    assert_eq!(receipt, expected);

    let wrong = origin.admin(Method::POST, "/admin/api/purge?wait=maybe");
    let wrong = wrong.json(&json!({ "all": true })).send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_a_node_may_not_say_is_refused() {
    let origin = TestOrigin::start().await;
    let mut nul = heartbeat("edge-1", 0);
    nul["version"] = json!("0\u{0}");
    assert_eq!(beat(&origin, &nul).await, StatusCode::BAD_REQUEST);
    let mut huge = heartbeat("edge-1", 0);
    huge["version"] = json!("v".repeat(600 * 1024));
    assert_eq!(beat(&origin, &huge).await, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(
        beat(&origin, &heartbeat("edge-1", -1)).await,
        StatusCode::UNPROCESSABLE_ENTITY
    );

    for path in [
        "/control/changes",
        "/control/changes?node=a%20b",
        "/control/changes?node=a&after=x",
        "/control/changes?node=a&since=1",
    ] {
        let request = origin.request(Method::GET, path).bearer_auth(EDGE_TOKEN);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
}

#[tokio::test]
async fn a_host_without_long_connections_polls() {
    let origin = TestOrigin::start().await;
    let poll = async |after: &str| {
        let target = format!("/control/changes?node=workers&follow=false{after}");
        let request = origin.request(Method::GET, &target);
        let answer = request.bearer_auth(EDGE_TOKEN).send();
        // It ends by itself.
        let text = tokio::time::timeout(PATIENCE, async { answer.await.unwrap().text().await });
        let text = text.await.expect("an end in time").unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect::<Vec<Value>>()
    };
    let first = poll("").await;
    assert_eq!(first[0]["kind"], "hello");
    assert!(first[0]["kv"]["site/jwks"].is_string(), "{first:?}");
    assert_eq!(first.last().unwrap()["kind"], "ping");
    let head = first.last().unwrap()["seq"].as_i64().unwrap();

    let dropped = json!({ "keys": ["polled"] });
    assert_eq!(
        purge(&origin, &dropped).await.status(),
        StatusCode::ACCEPTED
    );
    let next = poll(&format!("&after={head}")).await;
    let kinds: Vec<&str> = next
        .iter()
        .map(|line| line["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["hello", "purge", "ping"]);
    assert_eq!(next[1]["purge"], dropped);
    assert_eq!(next[2]["seq"], next[1]["seq"]);
}

//! The configuration is replaced while the node runs; a bad one is refused and changes nothing.

use std::sync::Arc;

use http::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::support::{Connection, RawUpstream, TestNode, TestUpstream, answer, get, request};

fn config(url: &str, path: &str) -> String {
    format!(
        r#"
        [upstreams.a]
        url = "{url}"
        [[routes]]
        name = "all"
        paths = ["{path}"]
        upstream = "a"
        "#
    )
}

#[tokio::test]
async fn a_good_configuration_takes_the_place_of_the_running_one() {
    let (a, b) = (
        TestUpstream::named("a").await,
        TestUpstream::named("b").await,
    );
    let node = TestNode::start(&config(&a.url(), "/{*rest}")).await;
    let mut kept = Connection::open(node.http()).await;
    assert_eq!(kept.get("/x").await.body, "a /x");
    let answer = node.reload(&config(&b.url(), "/new/{*rest}")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json()["generation"], 2);
    // Connections live on, and see the new routes.
    assert_eq!(kept.get("/new/x").await.body, "b /new/x");
    assert_eq!(kept.get("/x").await.status, 404);
    assert_eq!(node.get("/new/y").await.body, "b /new/y");

    let shown = get(node.admin(), "/-/config").await.json();
    assert_eq!(shown["generation"], 2);
    assert_eq!(shown["last_refused"], serde_json::Value::Null);
    assert_eq!(shown["routes"][0]["paths"][0], "/new/{*rest}");
    let count = "zephyr_edge_requests_total{route=\"all\",class=\"2xx\"}";
    assert_eq!(node.metric(count).await, 3);
    assert_eq!(node.metric("zephyr_edge_config_generation").await, 2);
    node.stop().await;
}

#[tokio::test]
async fn a_bad_configuration_is_refused_with_its_reason() {
    let a = TestUpstream::named("a").await;
    let good = config(&a.url(), "/{*rest}");
    let node = TestNode::start(&good).await;
    let with = |more: &str| format!("{more}\n{good}");
    let missing = "[components.gone]\npath = \"gone.wasm\"\nkind = \"filter\"\n";
    let broken = "[components.broken]\npath = \"broken.wasm\"\nkind = \"filter\"\n";
    let refused_filter = "[components.auth]\npath = \"$components/auth.wasm\"\nkind = \"filter\"\n";
    let unusable = format!(
        "{refused_filter}{good}[[routes.stages]]\nfilter = \"auth\"\n[routes.stages.config]\nno = 1\n"
    );
    std::fs::write(
        node.data_dir.path().join("broken.wasm"),
        b"\0asm\x0d\0\x01\0garbage",
    )
    .unwrap();
    let cases = [
        ("[[[".to_owned(), "zephyr.toml:"),
        (with("[cache]\nno_such_key = 1"), "no_such_key"),
        (with(missing), "\"gone\""),
        (with(broken), "\"broken\""),
        (unusable, "route \"all\""),
        (
            good.replace("upstream = \"a\"", "upstream = \"b\""),
            "there is no upstream",
        ),
        (with("[cache]\nmax_bytes = \"1MiB\""), "cache cannot change"),
        (
            with("[listen]\nhttp = \"127.0.0.1:1\"\nadmin = \"127.0.0.1:0\""),
            "listen.http cannot change",
        ),
    ];
    let count = cases.len() as u64;
    for (text, reason) in cases {
        let answer = node.reload(&text).await;
        assert_eq!(answer.status, 422, "{text}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(reason), "{reason:?} in {detail:?}");
        assert_eq!(node.get("/x").await.body, "a /x");
        let shown = get(node.admin(), "/-/config").await.json();
        assert_eq!(shown["generation"], 1);
        assert_eq!(shown["last_refused"]["reason"], detail.as_str());
    }
    let refused = "zephyr_edge_config_reloads_total{result=\"refused\"}";
    assert_eq!(node.metric(refused).await, count);
    // After all that a good one is still taken.
    assert_eq!(node.reload(&good).await.status, 200);
    assert_eq!(node.get("/x").await.body, "a /x");
    node.stop().await;
}

#[tokio::test]
async fn what_is_in_flight_ends_under_the_old_configuration() {
    let (arrived, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tells, waits) = (Arc::clone(&arrived), Arc::clone(&go));
    let old = RawUpstream::start(move |_, mut stream: TcpStream| {
        let (arrived, go) = (Arc::clone(&tells), Arc::clone(&waits));
        async move {
            let _ = stream.read(&mut [0; 4096]).await;
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nold";
            let _ = stream.write_all(head).await;
            arrived.notify_one();
            go.notified().await;
            let _ = stream.write_all(b"end").await;
        }
    })
    .await;
    let new = TestUpstream::named("new").await;
    let node = TestNode::start(&config(&old.url(), "/{*rest}")).await;
    let address = node.http();
    let open = tokio::spawn(async move { get(address, "/x").await });
    arrived.notified().await;
    assert_eq!(
        node.reload(&config(&new.url(), "/{*rest}")).await.status,
        200
    );
    assert_eq!(node.get("/y").await.body, "new /y");
    go.notify_one();
    assert_eq!(open.await.unwrap().body, "oldend");
    node.stop().await;
}

#[tokio::test]
async fn what_has_not_changed_lives_on() {
    let a = TestUpstream::start(|_| {
        let mut answer = answer(200, "stored");
        let control = "max-age=60".parse().unwrap();
        answer.headers_mut().insert("cache-control", control);
        answer
    })
    .await;
    let filtered = format!(
        "[components.ratelimit]\npath = \"$components/ratelimit.wasm\"\nkind = \"filter\"\n{}cache = true\n\
         [[routes.stages]]\nfilter = \"ratelimit\"\n[routes.stages.config]\n\
         limits = [{{ name = \"all\", key = [\"ip\"], count = 1, period = \"1h\", burst = 3 }}]\n",
        config(&a.url(), "/{*rest}").trim_end_matches(' '),
    );
    let node = TestNode::start(&filtered).await;
    let cache = |answer: &crate::support::Answer| answer.header("cache-status").to_owned();
    assert!(cache(&node.get("/x").await).contains("stored"));
    let calls = "zephyr_edge_component_instantiations_total{component=\"ratelimit\"}";
    assert!(cache(&node.get("/x").await).contains("hit"));
    let before = node.metric(calls).await;
    let more =
        format!("{filtered}[[routes]]\nname = \"more\"\npaths = [\"/more\"]\nupstream = \"a\"\n");
    assert_eq!(node.reload(&more).await.status, 200);
    // The cache is warm, the component is the same, the limit counts on.
    assert!(cache(&node.get("/x").await).contains("hit"));
    assert_eq!(node.get("/x").await.status, 429);
    assert!(
        node.metric(calls).await <= before + 2,
        "at most one a thread"
    );
    assert_eq!(
        node.metric("zephyr_edge_upstream_requests_total{upstream=\"a\"}")
            .await,
        1
    );
    // The connection to the upstream was kept.
    for _ in 0..4 {
        assert_eq!(node.get("/more").await.status, 200);
    }
    assert!(a.connections() <= 2, "one a thread");
    node.stop().await;
}

#[tokio::test]
async fn new_limits_hold_for_new_connections() {
    let a = TestUpstream::named("a").await;
    let node = TestNode::start(&config(&a.url(), "/{*rest}")).await;
    let listen =
        "[listen]\nhttp = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nmax_body_bytes = \"4B\"\n";
    let small = format!("{listen}{}", config(&a.url(), "/{*rest}"));
    let post = || Request::post("/x").body("12345".to_owned()).unwrap();
    assert_eq!(request(node.http(), post()).await.status, 200);
    assert_eq!(node.reload(&small).await.status, 200);
    assert_eq!(request(node.http(), post()).await.status, 413);
    node.stop().await;
}

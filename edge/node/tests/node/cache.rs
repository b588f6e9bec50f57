//! The cache in front of an upstream, as a client sees it.

use http::{Request, Response};

use crate::support::{TestNode, TestUpstream, request};

async fn node(upstream: &TestUpstream) -> TestNode {
    TestNode::start(&format!(
        r#"
        [upstreams.a]
        url = "{}"
        [components.hostile]
        path = "$components/hostile.wasm"
        kind = "filter"
        deadline = "10s"
        max_instances = 2
        [[routes]]
        name = "all"
        paths = ["/{{*rest}}"]
        upstream = "a"
        cache = true
        [[routes.stages]]
        filter = "hostile"
        config = {{ do = "nothing" }}
        "#,
        upstream.url()
    ))
    .await
}

#[tokio::test]
async fn a_miss_then_hits() {
    let a = TestUpstream::start(|seen| {
        Response::builder()
            .header("cache-control", "max-age=60")
            .header("etag", "\"v1\"")
            .header("surrogate-key", "secret")
            .body(http_body_util::Full::new(bytes::Bytes::from(
                seen.target.clone(),
            )))
            .unwrap()
    })
    .await;
    let node = node(&a).await;
    let miss = node.get("/x").await;
    assert!(
        miss.header("cache-status").starts_with("Zephyr; fwd="),
        "{miss:?}"
    );
    let hit = node.get("/x").await;
    assert!(
        hit.header("cache-status").starts_with("Zephyr; hit"),
        "{hit:?}"
    );
    assert_eq!(hit.body, "/x");
    assert_ne!(hit.header("x-request-id"), miss.header("x-request-id"));
    assert_eq!(hit.header("surrogate-key"), "");
    // What `on-upstream` wrote is stored; `on-response` runs on every answer, and is not.
    assert_eq!(hit.header("x-seen-upstream"), "1");
    assert_eq!(hit.headers.get_all("x-seen-response").iter().count(), 1);
    let conditional = Request::get("/x").header("if-none-match", "\"v1\"");
    let answer = request(node.http(), conditional.body(String::new()).unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (304, ""));
    assert_eq!(a.seen().len(), 1);
    assert_eq!(node.metric("zephyr_edge_cache_hits_total").await, 2);
    assert_eq!(node.metric("zephyr_edge_cache_misses_total").await, 1);
    assert_eq!(node.metric("zephyr_edge_cache_entries").await, 1);
    node.stop().await;
}

#[tokio::test]
async fn an_error_of_the_node_is_not_stored() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let a = TestUpstream::named("a").await;
    let text = format!(
        "[upstreams.a]\nurl = \"http://{gone}\"\n[[routes]]\nname = \"all\"\npaths = [\"/{{*rest}}\"]\nupstream = \"a\"\ncache = true\n"
    );
    let node = TestNode::start(&text).await;
    for _ in 0..2 {
        let answer = node.get("/x").await;
        assert_eq!(answer.status, 502);
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    assert_eq!(
        node.metric("zephyr_edge_upstream_connect_errors_total{upstream=\"a\"}")
            .await,
        2
    );
    node.stop().await;
    drop(a);
}

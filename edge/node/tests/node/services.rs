//! Service components as targets of routes.

use http::Request;

use crate::support::{TestNode, TestUpstream, request};

fn config(upstream: &TestUpstream, allowed: &str) -> String {
    format!(
        r#"
        [upstreams.a]
        url = "{}"
        [components.hello]
        path = "$components/hello.wasm"
        kind = "service"
        deadline = "10s"
        max_instances = 2
        upstreams = [{allowed}]
        [[routes]]
        name = "hello"
        paths = ["/{{*rest}}"]
        service = "hello"
        "#,
        upstream.url()
    )
}

#[tokio::test]
async fn a_service_answers_and_asks_its_upstreams() {
    let a = TestUpstream::named("a").await;
    let node = TestNode::start(&config(&a, "\"a\"")).await;
    let answer = node.get("/x").await;
    assert_eq!((answer.status.as_u16(), answer.body.trim()), (200, "hello"));
    assert_eq!(answer.header("via"), "1.1 zephyr");
    let echo = Request::post("/echo").body("to and fro".into()).unwrap();
    assert_eq!(request(node.http(), echo).await.body, "to and fro");
    let fetched = node.get("/fetch/a/deep/path").await;
    assert!(fetched.body.contains("a /deep/path"), "{fetched:?}");
    let seen = a.only();
    assert_eq!(seen.header("host"), a.url().trim_start_matches("http://"));
    assert_eq!(seen.header("via"), "1.1 zephyr");
    node.stop().await;
}

#[tokio::test]
async fn a_service_reaches_nothing_else() {
    let a = TestUpstream::named("a").await;
    let node = TestNode::start(&config(&a, "")).await;
    let refused = node.get("/fetch/a/x").await;
    assert!(!refused.body.contains("a /x"), "{refused:?}");
    assert!(a.seen().is_empty());
    node.stop().await;
}

#[tokio::test]
async fn a_service_that_traps_costs_its_request() {
    let a = TestUpstream::named("a").await;
    let node = TestNode::start(&config(&a, "")).await;
    let answer = node.get("/trap").await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(node.get("/x").await.status, 200);
    assert_eq!(
        node.metric("zephyr_edge_component_traps_total{component=\"hello\"}")
            .await,
        1
    );
    node.stop().await;
}

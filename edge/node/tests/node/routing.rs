//! Which upstream a request reaches.

use http::Request;

use crate::support::{TestNode, TestUpstream, get, request};

async fn node(a: &TestUpstream, b: &TestUpstream) -> TestNode {
    TestNode::start(&format!(
        r#"
        [upstreams.a]
        url = "{}"
        [upstreams.b]
        url = "{}"
        [[routes]]
        name = "all"
        paths = ["/{{*rest}}", "/"]
        upstream = "a"
        [[routes]]
        name = "api"
        paths = ["/api", "/api/{{*rest}}"]
        upstream = "b"
        [[routes]]
        name = "host"
        hosts = ["*.example.com"]
        paths = ["/only-here"]
        upstream = "b"
        "#,
        a.url(),
        b.url()
    ))
    .await
}

#[tokio::test]
async fn the_most_specific_route_wins() {
    let (a, b) = (
        TestUpstream::named("a").await,
        TestUpstream::named("b").await,
    );
    let node = node(&a, &b).await;
    assert_eq!(node.get("/").await.body, "a /");
    assert_eq!(node.get("/x/y?q=1").await.body, "a /x/y?q=1");
    assert_eq!(node.get("/api").await.body, "b /api");
    assert_eq!(node.get("/api/x%2Fy").await.body, "b /api/x%2Fy");
    let on_host = Request::get("/only-here").header("host", "WWW.Example.com:8080");
    let answer = request(node.http(), on_host.body(String::new()).unwrap()).await;
    assert_eq!(answer.body, "b /only-here");
    assert_eq!(node.get("/only-here").await.body, "a /only-here");
    node.stop().await;
}

#[tokio::test]
async fn what_matches_no_route_gets_a_problem() {
    let a = TestUpstream::named("a").await;
    let node = TestNode::start(&format!(
        "[upstreams.a]\nurl = \"{}\"\n[[routes]]\nname = \"one\"\npaths = [\"/one\"]\nupstream = \"a\"\n",
        a.url()
    ))
    .await;
    let answer = node.get("/two").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.header("cache-control"), "no-store");
    let problem = answer.json();
    assert_eq!(problem["status"], 404);
    assert_eq!(problem["request_id"], answer.header("x-request-id"));
    assert!(a.seen().is_empty());
    assert_eq!(
        node.metric("zephyr_edge_requests_total{route=\"-\",class=\"4xx\"}")
            .await,
        1
    );
    node.stop().await;
}

#[tokio::test]
async fn http2_with_prior_knowledge() {
    let a = TestUpstream::named("a").await;
    let b = TestUpstream::named("b").await;
    let node = node(&a, &b).await;
    let stream = tokio::net::TcpStream::connect(node.http()).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io)
        .await
        .unwrap();
    tokio::spawn(connection);
    let answers = (0..20).map(|n| {
        let uri = format!("http://www.example.com/api/{n}");
        let body = http_body_util::Full::new(bytes::Bytes::from("body"));
        sender.send_request(Request::post(uri).body(body).unwrap())
    });
    for (n, answer) in futures_util::future::join_all(answers)
        .await
        .into_iter()
        .enumerate()
    {
        use http_body_util::BodyExt as _;
        let answer = answer.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(answer.headers().contains_key("x-request-id"));
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, format!("b /api/{n}"));
    }
    let seen = b.seen();
    assert_eq!(seen.len(), 20);
    assert_eq!(seen[0].header("host"), "www.example.com");
    assert_eq!(seen[0].body, "body");
    assert_eq!(seen[0].version, http::Version::HTTP_11);
    node.stop().await;
}

#[tokio::test]
async fn both_workers_serve() {
    let a = TestUpstream::named("a").await;
    let b = TestUpstream::named("b").await;
    let node = node(&a, &b).await;
    for _ in 0..64 {
        assert_eq!(get(node.http(), "/").await.status, 200);
    }
    // Each worker keeps a connection of its own to the upstream.
    assert_eq!(a.connections(), 2);
    node.stop().await;
}

//! What of a request and its answer passes the node, and what it adds.

use http::{Request, Response};
use http_body_util::Full;

use crate::support::{TestNode, TestUpstream, answer, request};

fn config(upstream: &TestUpstream, listen: &str) -> String {
    format!(
        r#"
        [listen]
        http = "127.0.0.1:0"
        admin = "127.0.0.1:0"
        {listen}
        [upstreams.a]
        url = "{}"
        [[routes]]
        name = "all"
        paths = ["/{{*rest}}"]
        upstream = "a"
        "#,
        upstream.url()
    )
}

#[tokio::test]
async fn a_client_is_described_to_the_upstream() {
    let a = TestUpstream::named("a").await;
    let node = TestNode::start(&config(&a, "")).await;
    let asked = Request::post("/x")
        .header("host", "Example.com:8080")
        .header("x-forwarded-for", "6.6.6.6")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "evil")
        .header("forwarded", "for=6.6.6.6")
        .header("x-request-id", "chosen-by-the-client")
        .header("via", "1.0 before")
        .body("hello".into())
        .unwrap();
    let answer = request(node.http(), asked).await;
    let seen = a.only();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/x"));
    assert_eq!(seen.header("host"), "Example.com:8080");
    assert_eq!(seen.header("x-forwarded-for"), "127.0.0.1");
    assert_eq!(seen.header("x-forwarded-proto"), "http");
    assert_eq!(seen.header("x-forwarded-host"), "example.com:8080");
    assert_eq!(
        seen.header("forwarded"),
        "for=127.0.0.1;host=\"example.com:8080\";proto=http"
    );
    assert_eq!(seen.header("via"), "1.0 before | 1.1 zephyr");
    assert_eq!(seen.header("x-request-id"), answer.header("x-request-id"));
    assert_ne!(answer.header("x-request-id"), "chosen-by-the-client");
    assert_eq!(answer.header("x-request-id").len(), 36);
    assert_eq!(answer.header("via"), "1.1 zephyr");
    assert_eq!(
        (seen.body.as_str(), seen.header("content-length").as_str()),
        ("hello", "5")
    );
    node.stop().await;
}

#[tokio::test]
async fn a_trusted_proxy_is_believed() {
    let a = TestUpstream::named("a").await;
    let node = TestNode::start(&config(&a, "trusted_proxies = [\"127.0.0.0/8\"]")).await;
    let asked = Request::get("/x")
        .header("x-forwarded-for", "6.6.6.6, 203.0.113.9")
        .header("x-forwarded-proto", "https")
        .header("x-request-id", "chosen-by-the-proxy")
        .body(String::new())
        .unwrap();
    let answer = request(node.http(), asked).await;
    let seen = a.only();
    assert_eq!(
        seen.header("x-forwarded-for"),
        "6.6.6.6, 203.0.113.9, 127.0.0.1"
    );
    assert_eq!(seen.header("x-forwarded-proto"), "https");
    assert!(
        seen.header("forwarded").starts_with("for=203.0.113.9;"),
        "{seen:?}"
    );
    assert_eq!(answer.header("x-request-id"), "chosen-by-the-proxy");
    node.stop().await;
}

#[tokio::test]
async fn fields_of_one_connection_stay_on_it() {
    let a = TestUpstream::start(|_| {
        Response::builder()
            .header("connection", "x-mine")
            .header("x-mine", "1")
            .header("keep-alive", "timeout=5")
            .header("surrogate-key", "secret")
            .header("x-other", "2")
            .body(Full::new(bytes::Bytes::from("ok")))
            .unwrap()
    })
    .await;
    let node = TestNode::start(&config(&a, "")).await;
    let asked = Request::get("/x")
        .header("connection", "keep-alive, x-drop, x-zephyr-a")
        .header("x-drop", "1")
        .header("te", "trailers")
        .header("upgrade", "websocket")
        .header("proxy-authorization", "Basic eA==")
        .header("x-zephyr-subject", "admin")
        .header("x_zephyr_subject", "admin")
        .header("X-Zephyr-Scope", "all")
        .header("authorization", "Bearer t")
        .body(String::new())
        .unwrap();
    let answer = request(node.http(), asked).await;
    assert_eq!(
        a.only().names(),
        [
            "authorization",
            "connection",
            "forwarded",
            "host",
            "te",
            "via",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-request-id"
        ]
    );
    assert_eq!(answer.body, "ok");
    assert_eq!(answer.header("x-other"), "2");
    for gone in ["connection", "x-mine", "keep-alive", "surrogate-key"] {
        assert_eq!(answer.header(gone), "", "{gone}");
    }
    node.stop().await;
}

#[tokio::test]
async fn statuses_and_heads_without_bodies_pass() {
    let a = TestUpstream::start(|seen| match seen.target.as_str() {
        "/304" => answer(304, ""),
        "/204" => answer(204, ""),
        _ => answer(200, "0123456789"),
    })
    .await;
    let node = TestNode::start(&config(&a, "")).await;
    let mut connection = crate::support::Connection::open(node.http()).await;
    let head = Request::head("/x").body(String::new()).unwrap();
    let answer = connection.send(head).await.unwrap();
    assert_eq!(
        (answer.header("content-length"), answer.body.as_str()),
        ("10", "")
    );
    assert_eq!(connection.get("/304").await.status, 304);
    assert_eq!(connection.get("/204").await.status, 204);
    assert_eq!(connection.get("/x").await.body, "0123456789");
    // All on one connection to the upstream too.
    assert_eq!(a.connections(), 1);
    node.stop().await;
}

#[tokio::test]
async fn an_expectation_is_met_before_the_body_is_sent() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let a = TestUpstream::named("a").await;
    let node = TestNode::start(&config(&a, "max_body_bytes = \"1KiB\"")).await;

    let mut stream = tokio::net::TcpStream::connect(node.http()).await.unwrap();
    let head = "POST /x HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hello").await.unwrap();
    let mut status = [0; 15];
    stream.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200 OK");
    assert_eq!(a.only().body, "hello");
    assert_eq!(a.only().header("expect"), "");

    let head =
        "POST /x HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5000\r\n\r\n";
    let refused = crate::support::raw(node.http(), head).await;
    assert!(
        refused.starts_with("HTTP/1.1 413 "),
        "no 100 before it: {refused}"
    );
    let head = "GET /x HTTP/1.1\r\nhost: a\r\nexpect: 200-ok\r\nconnection: close\r\n\r\n";
    let refused = crate::support::raw(node.http(), head).await;
    assert!(refused.starts_with("HTTP/1.1 417 "), "{refused}");
    node.stop().await;
}

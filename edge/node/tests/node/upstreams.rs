//! Upstreams that are away, slow, broken or stale.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::support::{Connection, RawUpstream, TestNode, TestUpstream, answer, raw};

async fn node(url: &str, more: &str) -> TestNode {
    TestNode::start(&format!(
        r#"
        [upstreams.a]
        url = "{url}"
        {more}
        [[routes]]
        name = "all"
        paths = ["/{{*rest}}"]
        upstream = "a"
        "#
    ))
    .await
}

/// Reads a request without a body; false when the connection has ended.
async fn read_request(stream: &mut TcpStream) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return false,
        }
    }
    true
}

#[tokio::test]
async fn one_that_is_away_gives_502_with_a_problem() {
    // A port that was bound and let go: nobody listens.
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let node = node(&format!("http://{gone}"), "").await;
    let answer = node.get("/x").await;
    assert_eq!(answer.status, 502);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.json()["request_id"], answer.header("x-request-id"));
    assert_eq!(
        node.metric("zephyr_edge_upstream_connect_errors_total{upstream=\"a\"}")
            .await,
        1
    );
    node.stop().await;
}

#[tokio::test]
async fn one_that_does_not_answer_gives_504() {
    let silent = RawUpstream::start(|_, mut stream| async move {
        read_request(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let node = node(&silent.url(), "first_byte_timeout = \"100ms\"").await;
    let answer = node.get("/x").await;
    assert_eq!(answer.status, 504);
    assert_eq!(
        node.metric("zephyr_edge_upstream_timeouts_total{upstream=\"a\"}")
            .await,
        1
    );
    assert_eq!(
        node.metric("zephyr_edge_upstream_in_flight{upstream=\"a\"}")
            .await,
        0
    );
    node.stop().await;
}

#[tokio::test]
async fn one_that_does_not_speak_http_gives_502() {
    for bytes in [
        "SSH-2.0-x\r\n",
        "",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ] {
        let broken = RawUpstream::start(move |_, mut stream| async move {
            read_request(&mut stream).await;
            let _ = stream.write_all(bytes.as_bytes()).await;
        })
        .await;
        let node = node(&broken.url(), "").await;
        assert_eq!(node.get("/x").await.status, 502, "{bytes:?}");
        // A fresh connection that breaks is not tried again.
        assert_eq!(broken.connections(), 1);
        node.stop().await;
    }
}

#[tokio::test]
async fn one_that_dies_in_the_middle_of_a_body_breaks_the_answer_off() {
    for head in ["content-length: 100", "transfer-encoding: chunked"] {
        let dying = RawUpstream::start(move |_, mut stream| async move {
            read_request(&mut stream).await;
            let start = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n5\r\nhello\r\n");
            stream.write_all(start.as_bytes()).await.unwrap();
        })
        .await;
        let node = node(&dying.url(), "").await;
        let mut connection = Connection::open(node.http()).await;
        let broken = connection
            .send(Request::get("/x").body(String::new()).unwrap())
            .await;
        assert!(broken.is_err(), "an answer that looks whole: {broken:?}");
        assert_eq!(
            node.metric("zephyr_edge_upstream_broken_total{upstream=\"a\"}")
                .await,
            1
        );
        assert_eq!(
            node.metric("zephyr_edge_upstream_in_flight{upstream=\"a\"}")
                .await,
            0
        );
        node.stop().await;
    }
}

#[tokio::test]
async fn one_that_stops_in_the_middle_of_a_body_is_given_up() {
    let stuck = RawUpstream::start(|_, mut stream| async move {
        read_request(&mut stream).await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello")
            .await
            .unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let node = node(&stuck.url(), "idle_timeout = \"100ms\"").await;
    let answer = raw(node.http(), "GET /x HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(answer.ends_with("hello"), "{answer}");
    assert_eq!(
        node.metric("zephyr_edge_upstream_timeouts_total{upstream=\"a\"}")
            .await,
        1
    );
    node.stop().await;
}

#[tokio::test]
async fn a_request_on_a_stale_connection_is_sent_again_if_it_may_be() {
    // Answers once a connection, then closes it only when the next request has come.
    let stale = RawUpstream::start(|_, mut stream| async move {
        if read_request(&mut stream).await {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                .await
                .unwrap();
            read_request(&mut stream).await;
        }
    })
    .await;
    let node = node(&stale.url(), "").await;
    let mut connection = Connection::open(node.http()).await;
    assert_eq!(connection.get("/1").await.status, 200);
    assert_eq!(connection.get("/2").await.status, 200);
    assert_eq!(stale.connections(), 2);
    assert_eq!(
        node.metric("zephyr_edge_upstream_retries_total{upstream=\"a\"}")
            .await,
        1
    );
    // The upstream may have acted on a POST; nobody knows, so it is not repeated.
    let post = Request::post("/3").body(String::new()).unwrap();
    assert_eq!(connection.send(post).await.unwrap().status, 502);
    assert_eq!(stale.connections(), 2);
    node.stop().await;
}

#[tokio::test]
async fn connections_are_used_again_and_closed_when_unused() {
    let a = TestUpstream::named("a").await;
    let node = node(&a.url(), "pool_idle_timeout = \"50ms\"").await;
    let mut connection = Connection::open(node.http()).await;
    for _ in 0..10 {
        assert_eq!(connection.get("/x").await.status, 200);
    }
    assert_eq!(a.connections(), 1);
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(connection.get("/x").await.status, 200);
    assert_eq!(a.connections(), 2);
    node.stop().await;
}

#[tokio::test]
async fn requests_in_flight_are_bounded() {
    let go = Arc::new(Notify::new());
    let arrived = Arc::new(Notify::new());
    let (waits, tells) = (Arc::clone(&go), Arc::clone(&arrived));
    let slow = RawUpstream::start(move |_, mut stream| {
        let (go, arrived) = (Arc::clone(&waits), Arc::clone(&tells));
        async move {
            read_request(&mut stream).await;
            arrived.notify_one();
            go.notified().await;
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                .await
                .unwrap();
        }
    })
    .await;
    let node = node(&slow.url(), "max_connections = 1").await;
    let address = node.http();
    let first = tokio::spawn(async move { crate::support::get(address, "/1").await });
    arrived.notified().await;
    let second = node.get("/2").await;
    assert_eq!(second.status, 503);
    go.notify_one();
    assert_eq!(first.await.unwrap().body, "ok");
    go.notify_one();
    assert_eq!(node.get("/3").await.status, 200);
    node.stop().await;
}

#[tokio::test]
async fn bodies_stream_in_both_directions() {
    // The upstream answers before the request's body has ended; both go on side by side.
    let echo = RawUpstream::start(|_, mut stream| async move {
        read_request(&mut stream).await;
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut buffer = [0; 1024];
        while let Ok(length @ 1..) = stream.read(&mut buffer).await {
            // What comes is chunked already.
            stream.write_all(&buffer[..length]).await.unwrap();
        }
    })
    .await;
    let node = node(&echo.url(), "").await;
    let mut stream = TcpStream::connect(node.http()).await.unwrap();
    let head = "POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut seen = String::new();
    for word in ["one", "two", "six"] {
        stream
            .write_all(format!("3\r\n{word}\r\n").as_bytes())
            .await
            .unwrap();
        let mut buffer = [0; 1024];
        while !seen.contains(word) {
            let length = stream.read(&mut buffer).await.unwrap();
            assert!(length > 0, "{seen}");
            seen.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
    }
    node.stop().await;
}

#[tokio::test]
async fn http2_to_the_upstream_shares_a_connection() {
    let a =
        TestUpstream::start(|seen| answer(200, format!("{:?} {}", seen.version, seen.body))).await;
    let node = node(&a.url(), "http2 = true").await;
    let mut connection = Connection::open(node.http()).await;
    for _ in 0..5 {
        let post = Request::post("/x")
            .header("host", "example.com")
            .body("hi".into())
            .unwrap();
        let answer = connection.send(post).await.unwrap();
        assert_eq!(answer.body, "HTTP/2.0 hi");
    }
    assert_eq!(a.connections(), 1);
    assert_eq!(a.seen()[0].target, "http://example.com/x");
    node.stop().await;
}

//! Connections that an upstream closes while the node is about to use them again.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::support::{Connection, PATIENCE, RawUpstream, TestNode};

async fn node(upstream: &RawUpstream) -> TestNode {
    TestNode::start(&format!(
        r#"
        [upstreams.a]
        url = "{}"
        [[routes]]
        name = "all"
        paths = ["/{{*rest}}"]
        upstream = "a"
        "#,
        upstream.url()
    ))
    .await
}

async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap().to_ascii_lowercase())
}

/// Reads the body of a request with this head.
async fn read_body(stream: &mut TcpStream, head: &str) -> Option<Vec<u8>> {
    let length = head.split("content-length: ").nth(1);
    let length = length.map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(body)
}

async fn answer(stream: &mut TcpStream, fields: &str, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 200 OK\r\n{fields}content-length: {}\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(&[head.as_bytes(), body].concat()).await;
}

/// An upstream that says this in every answer, and keeps its connections.
async fn saying(fields: &'static str) -> RawUpstream {
    RawUpstream::start(move |_, mut stream| async move {
        while let Some(head) = read_head(&mut stream).await {
            let body = read_body(&mut stream, &head).await.unwrap_or_default();
            answer(&mut stream, fields, &body).await;
        }
    })
    .await
}

/// An upstream that gives the body back to the first request of a connection, and closes it when the
/// head of a second one is there; with the first lines of what it was sent.
struct Closing {
    upstream: RawUpstream,
    seen: Arc<Mutex<Vec<String>>>,
    closed: Arc<Notify>,
}

impl Closing {
    async fn start() -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let closed = Arc::new(Notify::new());
        let (tells, says) = (Arc::clone(&seen), Arc::clone(&closed));
        let upstream = RawUpstream::start(move |connection, mut stream| {
            let (seen, closed) = (Arc::clone(&tells), Arc::clone(&says));
            async move {
                for turn in 0..2 {
                    let Some(head) = read_head(&mut stream).await else {
                        return;
                    };
                    let line = head.split(" http").next().unwrap();
                    seen.lock().push(format!("{connection}: {line}"));
                    if turn == 0 {
                        let body = read_body(&mut stream, &head).await.unwrap_or_default();
                        answer(&mut stream, "", &body).await;
                    }
                }
                drop(stream);
                closed.notify_one();
            }
        })
        .await;
        Self {
            upstream,
            seen,
            closed,
        }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().clone()
    }
}

fn request(method: &str, body: impl Into<String>) -> Request<String> {
    let request = Request::builder().method(method).uri("/x");
    request.body(body.into()).unwrap()
}

#[tokio::test]
async fn a_connection_is_not_used_near_the_end_of_its_announced_time() {
    let upstream = saying("connection: keep-alive\r\nkeep-alive: timeout=1\r\n").await;
    let node = node(&upstream).await;
    let mut connection = Connection::open(node.http()).await;
    let first = connection.get("/1").await;
    assert_eq!(first.status, 200);
    assert!(!first.headers.contains_key("keep-alive"));
    assert_eq!(connection.get("/2").await.status, 200);
    assert_eq!(upstream.connections(), 1);
    // Half of the second is the margin; the upstream itself would still take requests.
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(connection.get("/3").await.status, 200);
    assert_eq!(upstream.connections(), 2);
    node.stop().await;
}

#[tokio::test]
async fn a_connection_that_takes_no_more_requests_is_not_kept() {
    for (fields, connections) in [
        ("connection: keep-alive\r\nkeep-alive: timeout=0\r\n", 3),
        (
            "connection: keep-alive\r\nkeep-alive: timeout=5, max=1\r\n",
            3,
        ),
        (
            "connection: keep-alive\r\nkeep-alive: timeout=5, max=9\r\n",
            1,
        ),
        ("keep-alive: nonsense\r\n", 1),
    ] {
        let upstream = saying(fields).await;
        let node = node(&upstream).await;
        let mut connection = Connection::open(node.http()).await;
        for _ in 0..3 {
            assert_eq!(connection.get("/x").await.status, 200);
        }
        assert_eq!(upstream.connections(), connections, "{fields}");
        node.stop().await;
    }
}

#[tokio::test]
async fn a_small_put_is_sent_again_on_a_fresh_connection() {
    let closing = Closing::start().await;
    let node = node(&closing.upstream).await;
    let mut connection = Connection::open(node.http()).await;
    assert_eq!(connection.get("/x").await.status, 200);
    let body = "b".repeat(16 * 1024);
    for turn in 0..3 {
        let put = connection.send(request("PUT", &*body)).await.unwrap();
        assert_eq!(
            (put.status.as_u16(), put.body.len()),
            (200, body.len()),
            "{turn}"
        );
        assert_eq!(put.body, body);
    }
    assert_eq!(
        closing.seen(),
        [
            "0: get /x",
            "0: put /x",
            "1: put /x",
            "1: put /x",
            "2: put /x",
            "2: put /x",
            "3: put /x"
        ]
    );
    let delete = connection.send(request("DELETE", "why")).await.unwrap();
    assert_eq!((delete.status.as_u16(), &*delete.body), (200, "why"));
    let retries = node.metric("zephyr_edge_upstream_retries_total{upstream=\"a\"}");
    assert_eq!(retries.await, 4);
    node.stop().await;
}

/// The rest of a body that is still on its way follows what was kept.
#[tokio::test]
async fn a_put_whose_body_is_under_way_is_sent_again_too() {
    let closing = Closing::start().await;
    let node = node(&closing.upstream).await;
    let mut stream = TcpStream::connect(node.http()).await.unwrap();
    stream
        .write_all(b"GET /1 HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    assert!(read_head(&mut stream).await.is_some());
    stream
        .write_all(
            b"PUT /2 HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 10\r\n\r\nfirst",
        )
        .await
        .unwrap();
    closing.closed.notified().await;
    stream.write_all(b"after").await.unwrap();
    let mut said = String::new();
    let reads = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut said));
    reads.await.unwrap().unwrap();
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    assert!(said.ends_with("firstafter"), "{said}");
    assert_eq!(closing.seen(), ["0: get /1", "0: put /2", "1: put /2"]);
    node.stop().await;
}

#[tokio::test]
async fn what_may_not_or_cannot_be_repeated_is_sent_once() {
    let large = "b".repeat(16 * 1024 + 1);
    for (method, body) in [("POST", "one"), ("PATCH", "two"), ("PUT", &*large)] {
        let closing = Closing::start().await;
        let node = node(&closing.upstream).await;
        let mut connection = Connection::open(node.http()).await;
        assert_eq!(connection.get("/x").await.status, 200);
        let answer = connection.send(request(method, body)).await.unwrap();
        assert_eq!(answer.status, 502, "{method}");
        let second = format!("0: {} /x", method.to_ascii_lowercase());
        assert_eq!(closing.seen(), ["0: get /x", &*second]);
        node.stop().await;
    }
}

/// An end that has arrived is seen before a request is lost on it.
#[tokio::test]
async fn a_post_after_the_connection_was_closed_takes_another_one() {
    let closed = Arc::new(Notify::new());
    let says = Arc::clone(&closed);
    let upstream = RawUpstream::start(move |_, mut stream| {
        let closed = Arc::clone(&says);
        async move {
            if let Some(head) = read_head(&mut stream).await {
                let body = read_body(&mut stream, &head).await.unwrap_or_default();
                answer(&mut stream, "", &body).await;
            }
            drop(stream);
            closed.notify_one();
        }
    })
    .await;
    let node = node(&upstream).await;
    let mut connection = Connection::open(node.http()).await;
    for turn in 1..=20 {
        let post = connection.send(request("POST", "x")).await.unwrap();
        assert_eq!((post.status.as_u16(), &*post.body), (200, "x"), "{turn}");
        closed.notified().await;
        assert_eq!(upstream.connections(), turn);
    }
    node.stop().await;
}

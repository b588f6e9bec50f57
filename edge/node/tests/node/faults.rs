//! Upstreams that behave as badly as they can. Nothing crashes, nothing wrong is served, nothing
//! waits for ever; and what broke on the way never looks whole to a client and is never stored.

use std::time::{Duration, Instant};

use http::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Connection, PATIENCE, RawUpstream, TestNode, raw, request};

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
        cache = true
        "#
    ))
    .await
}

/// Reads a head; none when the connection has ended.
async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap())
}

/// An upstream that answers every request with these bytes and closes.
async fn saying(bytes: impl Into<Vec<u8>>) -> RawUpstream {
    let bytes = bytes.into();
    RawUpstream::start(move |_, mut stream| {
        let bytes = bytes.clone();
        async move {
            if read_head(&mut stream).await.is_some() {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
                // What the node still sends must not make the kernel reset what it has not read.
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
            }
        }
    })
    .await
}

const CACHEABLE: &str = "HTTP/1.1 200 OK\r\ncache-control: max-age=100\r\n";

#[tokio::test]
async fn a_stall_before_the_head() {
    let silent = RawUpstream::start(|_, mut stream| async move {
        let _ = read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200").await;
        std::future::pending::<()>().await;
    })
    .await;
    let node = node(&silent.url(), "first_byte_timeout = \"100ms\"").await;
    let answer = node.get("/x").await;
    assert_eq!(answer.status, 504);
    let said = answer.header("proxy-status");
    assert!(
        said.starts_with("Zephyr; error=http_response_timeout"),
        "{said}"
    );
    node.stop().await;
}

/// Resets, stalls and lies: the first bytes of a body come, the rest does not.
#[tokio::test]
async fn a_body_that_breaks_off_never_looks_whole_and_is_never_stored() {
    for (name, framing, body) in [
        ("short", "content-length: 100\r\n\r\n", "hello"),
        (
            "chunks cut off",
            "transfer-encoding: chunked\r\n\r\n",
            "5\r\nhello\r\n",
        ),
        (
            "chunk cut off",
            "transfer-encoding: chunked\r\n\r\n",
            "50\r\nhello",
        ),
        (
            "bad chunk",
            "transfer-encoding: chunked\r\n\r\n",
            "5\r\nhello\r\nxyz\r\n0\r\n\r\n",
        ),
        (
            "chunk too long",
            "transfer-encoding: chunked\r\n\r\n",
            "fffffffffffffffff\r\nhello\r\n",
        ),
        (
            "no end of chunk",
            "transfer-encoding: chunked\r\n\r\n",
            "5\r\nhelloworld\r\n0\r\n\r\n",
        ),
    ] {
        let upstream = saying(format!("{CACHEABLE}{framing}{body}")).await;
        let node = node(&upstream.url(), "").await;
        for turn in 1..=2 {
            let mut connection = Connection::open(node.http()).await;
            let get = Request::get("/x").body(String::new()).unwrap();
            match connection.send(get).await {
                Err(_) => {}
                // Before a byte has gone out the node may still say what happened.
                Ok(answer) => assert_eq!(answer.status, 502, "{name}: {answer:?}"),
            }
            // Nothing was stored: the second one asks again.
            assert_eq!(upstream.connections(), turn, "{name}");
        }
        assert_eq!(
            node.metric("zephyr_edge_upstream_in_flight{upstream=\"a\"}")
                .await,
            0
        );
        node.stop().await;
    }
}

#[tokio::test]
async fn a_reset_in_the_middle_of_a_body() {
    let upstream = RawUpstream::start(|_, mut stream| async move {
        let _ = read_head(&mut stream).await;
        let head = format!("{CACHEABLE}content-length: 100\r\n\r\nhello");
        let _ = stream.write_all(head.as_bytes()).await;
        // Closing with a linger of zero sends a reset.
        let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    })
    .await;
    let node = node(&upstream.url(), "").await;
    for turn in 1..=2 {
        let mut connection = Connection::open(node.http()).await;
        let get = Request::get("/x").body(String::new()).unwrap();
        let answer = connection.send(get).await;
        assert!(
            answer.as_ref().map_or(true, |answer| answer.status == 502),
            "{answer:?}"
        );
        assert!(upstream.connections() >= turn);
    }
    node.stop().await;
}

#[tokio::test]
async fn a_stall_in_the_middle_of_a_body() {
    let stuck = RawUpstream::start(|_, mut stream| async move {
        let _ = read_head(&mut stream).await;
        let head = format!("{CACHEABLE}content-length: 100\r\n\r\nhello");
        let _ = stream.write_all(head.as_bytes()).await;
        std::future::pending::<()>().await;
    })
    .await;
    let node = node(&stuck.url(), "idle_timeout = \"100ms\"").await;
    let answer = raw(node.http(), "GET /x HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let whole =
        answer.starts_with("HTTP/1.1 200") && answer.len() > 100 + 20 && !answer.ends_with("hello");
    assert!(!whole, "{answer}");
    assert_eq!(
        node.metric("zephyr_edge_upstream_timeouts_total{upstream=\"a\"}")
            .await,
        1
    );
    node.stop().await;
}

/// The idle limit never strikes; the limit of the whole answer does.
#[tokio::test]
async fn one_byte_at_a_time() {
    let slow = RawUpstream::start(|_, mut stream| async move {
        let _ = read_head(&mut stream).await;
        let head = format!("{CACHEABLE}content-length: 100000\r\n\r\n");
        let _ = stream.write_all(head.as_bytes()).await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let limits = "idle_timeout = \"10s\"\nanswer_timeout = \"200ms\"";
    let node = node(&slow.url(), limits).await;
    let began = Instant::now();
    let answer = raw(node.http(), "GET /x HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(answer.len() < 10_000, "{answer}");
    assert!(began.elapsed() < PATIENCE / 4);
    node.stop().await;
}

#[tokio::test]
async fn a_body_longer_than_it_says_leaves_nothing_for_the_next_answer() {
    let long = RawUpstream::start(|_, mut stream| async move {
        while read_head(&mut stream).await.is_some() {
            let lie = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
            let _ = stream.write_all(lie.as_bytes()).await;
        }
    })
    .await;
    let node = node(&long.url(), "").await;
    let mut connection = Connection::open(node.http()).await;
    for path in ["/1", "/2", "/3"] {
        let answer = connection.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), &*answer.body),
            (200, "hello"),
            "{path}"
        );
    }
    node.stop().await;
}

#[tokio::test]
async fn what_is_not_http() {
    let many = "a: b\r\n".repeat(200);
    let large = format!("a: {}\r\n", "b".repeat(1 << 20));
    let flood = format!("a: {}\r\n", "b".repeat(1000)).repeat(90) + &many;
    for (name, bytes, error) in [
        (
            "another protocol",
            "SSH-2.0-x\r\n".to_owned(),
            "http_protocol_error",
        ),
        ("nothing", String::new(), "connection_terminated"),
        (
            "half a head",
            "HTTP/1.1 200 OK\r\ncontent-le".into(),
            "connection_terminated",
        ),
        ("zeros", "\0".repeat(1000), "http_protocol_error"),
        (
            "a bad status",
            "HTTP/1.1 99999 OK\r\n\r\n".into(),
            "http_protocol_error",
        ),
        (
            "a bad name",
            "HTTP/1.1 200 OK\r\na b: c\r\n\r\n".into(),
            "http_protocol_error",
        ),
        (
            "two lengths",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab".into(),
            "http_protocol_error",
        ),
        (
            "too many fields",
            format!("HTTP/1.1 200 OK\r\n{many}\r\n"),
            "http_response_header_section_size",
        ),
        (
            "a large field",
            format!("HTTP/1.1 200 OK\r\n{large}\r\n"),
            "http_response_header_section_size",
        ),
        (
            "large and many",
            format!("HTTP/1.1 200 OK\r\n{flood}\r\n"),
            "http_response_header_section_size",
        ),
    ] {
        let upstream = saying(bytes).await;
        let node = node(&upstream.url(), "").await;
        let answer = node.get("/x").await;
        assert_eq!(answer.status, 502, "{name}");
        let said = answer.header("proxy-status");
        assert!(
            said.starts_with(&format!("Zephyr; error={error}")),
            "{name}: {said}"
        );
        assert!(!said.contains("127.0.0.1"), "{said}");
        node.stop().await;
    }
}

#[tokio::test]
async fn a_flood_of_interim_answers() {
    let flood = RawUpstream::start(|_, mut stream| async move {
        let _ = read_head(&mut stream).await;
        let interim = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(100);
        while stream.write_all(interim.as_bytes()).await.is_ok() {}
    })
    .await;
    let node = node(&flood.url(), "first_byte_timeout = \"300ms\"").await;
    assert_eq!(node.get("/x").await.status, 504);
    // The worker is free for others all the time.
    let other = tokio::time::timeout(PATIENCE, raw(node.http(), "GET http HTTP/1.1\r\n\r\n"));
    assert!(other.await.unwrap().starts_with("HTTP/1.1 400"));
    node.stop().await;
}

#[tokio::test]
async fn a_few_interim_answers_are_passed_over() {
    let upstream = saying("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let node = node(&upstream.url(), "").await;
    assert_eq!(node.get("/x").await.body, "ok");
    node.stop().await;
}

/// The answer counts although the request was not sent wholly; what is left of it never becomes part
/// of another request.
#[tokio::test]
async fn an_answer_before_the_request_was_sent() {
    let early = RawUpstream::start(|_, mut stream| async move {
        while let Some(head) = read_head(&mut stream).await {
            let answer = match head.starts_with("POST") {
                true => "HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig",
                false => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            };
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    })
    .await;
    let node = node(&early.url(), "").await;
    let mut stream = TcpStream::connect(node.http()).await.unwrap();
    let head = "POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\nstart";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"big") {
        let mut buffer = [0; 1024];
        let length = tokio::time::timeout(PATIENCE, stream.read(&mut buffer));
        let length = length.await.unwrap().unwrap();
        assert!(length > 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&buffer[..length]);
    }
    assert!(seen.starts_with(b"HTTP/1.1 413"));
    for _ in 0..3 {
        assert_eq!(node.get("/y").await.body, "ok");
    }
    drop(stream);
    assert_eq!(node.get("/z").await.body, "ok");
    node.stop().await;
}

/// Connections that the upstream closed while they were unused cost nobody a request.
#[tokio::test]
async fn idle_connections_that_are_closed() {
    let closing = RawUpstream::start(|_, mut stream| async move {
        if read_head(&mut stream).await.is_some() {
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    })
    .await;
    let node = node(&closing.url(), "").await;
    let mut connection = Connection::open(node.http()).await;
    for turn in 0..20 {
        let method = if turn % 2 == 0 { "GET" } else { "PUT" };
        let request = Request::builder().method(method).uri("/x");
        let request = request.body(String::new()).unwrap();
        assert_eq!(connection.send(request).await.unwrap().body, "ok", "{turn}");
    }
    node.stop().await;
}

/// What the cache did with a request that came to nothing (RFC 9211), beside what went wrong (RFC 9209).
#[tokio::test]
async fn an_answer_that_the_node_makes_for_a_miss_says_what_the_cache_did() {
    let fresh = "HTTP/1.1 200 OK\r\ncache-control: max-age=0, must-revalidate\r\netag: \"1\"\r\nvary: x-a\r\n";
    let upstream = RawUpstream::start(move |number, mut stream| async move {
        while let Some(head) = read_head(&mut stream).await {
            let answer = match head.split(' ').nth(1).unwrap() {
                "/stored" if number == 0 => format!("{fresh}content-length: 2\r\n\r\nok"),
                "/odd" => "HTTP/1.1 304 Not Modified\r\n\r\n".to_owned(),
                "/late" => return std::future::pending().await,
                _ => return,
            };
            let _ = stream.write_all(answer.as_bytes()).await;
            if number == 0 {
                return;
            }
        }
    })
    .await;
    let text = format!(
        r#"
        [cache]
        status_key = true
        [upstreams.a]
        url = "{}"
        first_byte_timeout = "500ms"
        [[routes]]
        name = "all"
        paths = ["/{{*rest}}"]
        upstream = "a"
        cache = true
        [[routes]]
        name = "plain"
        paths = ["/plain/{{*rest}}"]
        upstream = "a"
        cache = false
        "#,
        upstream.url()
    );
    let node = TestNode::start(&text).await;
    assert_eq!(node.get("/stored").await.body, "ok");
    let ask = |method: &str, path: &'static str| Request::builder().method(method).uri(path);
    let varied = ask("GET", "/stored").header("x-a", "1");
    let only = ask("GET", "/none").header("cache-control", "only-if-cached");
    for (asked, status, told) in [
        (ask("GET", "/down"), 502, "fwd=uri-miss"),
        (ask("HEAD", "/down"), 502, "fwd=uri-miss"),
        (ask("POST", "/down"), 502, "fwd=method"),
        (ask("GET", "/late"), 504, "fwd=uri-miss"),
        (ask("GET", "/odd"), 502, "fwd=uri-miss; fwd-status=304"),
        (ask("GET", "/stored"), 504, "fwd=stale"),
        (varied, 502, "fwd=vary-miss"),
        (only, 504, "detail=only-if-cached"),
    ] {
        let asked = asked.body(String::new()).unwrap();
        let path = asked.uri().clone();
        let asked = request(node.http(), asked).await;
        assert_eq!(asked.status, status, "{path}: {asked:?}");
        let said = asked.header("cache-status");
        let (said, key) = said.split_once("; key=").unwrap_or((said, ""));
        assert_eq!(said, format!("Zephyr; {told}"), "{path}");
        assert!(key.contains(path.path()), "{key}");
        assert!(asked.header("proxy-status").starts_with("Zephyr; error="));
    }
    let plain = node.get("/plain/x").await;
    assert_eq!(
        (plain.status.as_u16(), plain.header("cache-status")),
        (502, "")
    );
    assert!(plain.header("proxy-status").starts_with("Zephyr; error="));
    node.stop().await;
}

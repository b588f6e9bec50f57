//! Answers that are compressed on their way.

use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response};
use http_body_util::Full;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Fetched, RawUpstream, TestNode, TestUpstream, fetch};

fn text() -> String {
    (0..4000)
        .map(|n| format!("line {n} of a text that repeats itself\n"))
        .collect()
}

/// Answers with fields that the path names.
async fn upstream() -> TestUpstream {
    TestUpstream::start(|seen| {
        let mut response = Response::builder()
            .header("content-type", "text/plain")
            .header("cache-control", "max-age=60")
            .header("etag", "\"v1\"");
        let mut body = Bytes::from(text());
        match &*seen.target {
            "/small" => body = Bytes::from_static(b"small"),
            "/image" => response = response.header("content-type", "image/png"),
            "/encoded" => response = response.header("content-encoding", "br"),
            "/fixed" => response = response.header("cache-control", "no-transform"),
            "/part" => {
                response = response
                    .status(206)
                    .header("content-range", "bytes 0-9/100");
                body = body.slice(..10);
            }
            "/stale" if seen.header("if-none-match") == "W/\"v1\"" => {
                let response = Response::builder().status(304).header("etag", "\"v1\"");
                let response = response.header("cache-control", "max-age=60");
                return response.body(Full::default()).unwrap();
            }
            "/stale" => response = response.header("cdn-cache-control", "max-age=0"),
            _ => {}
        }
        let mut response = response.body(Full::new(body)).unwrap();
        // The last of two counts, as in the builder it would not.
        for name in ["content-type", "cache-control"] {
            let last = response.headers().get_all(name).iter().next_back().cloned();
            if let Some(last) = last {
                response.headers_mut().insert(name, last);
            }
        }
        response
    })
    .await
}

async fn node(url: &str, route: &str) -> TestNode {
    TestNode::start(&format!(
        r#"
        [upstreams.a]
        url = "{url}"
        [[routes]]
        name = "all"
        paths = ["/{{*rest}}"]
        upstream = "a"
        compress = true
        {route}
        "#
    ))
    .await
}

async fn get(node: &TestNode, target: &str, accept: &str) -> Fetched {
    fetch(
        node.http(),
        Method::GET,
        target,
        &[("accept-encoding", accept)],
    )
    .await
}

#[tokio::test]
async fn each_client_gets_what_it_takes() {
    let a = upstream().await;
    let node = node(&a.url(), "").await;
    for (accept, coding) in [
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, br", "br"),
        ("gzip", "gzip"),
        ("br;q=0.1, gzip", "gzip"),
        ("deflate", ""),
        ("", ""),
        ("*;q=0", ""),
    ] {
        let got = get(&node, "/x", accept).await;
        assert_eq!(got.header("content-encoding"), coding, "{accept}");
        assert_eq!(got.header("vary"), "accept-encoding");
        assert_eq!(got.plain(), text().as_bytes());
        let etag = if coding.is_empty() {
            "\"v1\""
        } else {
            "W/\"v1\""
        };
        assert_eq!(got.header("etag"), etag);
        assert!(coding.is_empty() || got.body.len() < text().len() / 4);
        let head = fetch(
            node.http(),
            Method::HEAD,
            "/x",
            &[("accept-encoding", accept)],
        )
        .await;
        assert_eq!(head.header("content-encoding"), coding);
        assert_eq!(head.header("etag"), etag);
    }
    let none = fetch(node.http(), Method::GET, "/x", &[]).await;
    assert_eq!(none.plain(), text().as_bytes());
    assert_eq!(none.header("content-encoding"), "");
    assert_eq!(a.seen()[0].header("accept-encoding"), "zstd");
    node.stop().await;
}

#[tokio::test]
async fn what_must_stay_as_it_is_does() {
    let a = upstream().await;
    let node = node(&a.url(), "").await;
    for (target, coding) in [
        ("/small", ""),
        ("/image", ""),
        ("/encoded", "br"),
        ("/fixed", ""),
        ("/part", ""),
    ] {
        let got = get(&node, target, "gzip, br").await;
        assert_eq!(got.header("content-encoding"), coding, "{target}");
        assert_eq!(got.header("etag"), "\"v1\"", "{target}");
        assert!(target != "/encoded" || got.body == text().as_bytes());
    }
    let fields = [
        ("accept-encoding", "gzip"),
        ("cache-control", "no-transform"),
    ];
    let asked = fetch(node.http(), Method::GET, "/x", &fields).await;
    assert_eq!(asked.header("content-encoding"), "");
    node.stop().await;
}

#[tokio::test]
async fn each_coding_is_stored_once() {
    let a = upstream().await;
    let node = node(&a.url(), "cache = true").await;
    for accept in [
        "zstd, br",
        "br, gzip, zstd",
        "br",
        "gzip, br;q=1.0",
        "gzip",
        "",
        "deflate",
    ] {
        assert_eq!(
            get(&node, "/x", accept).await.plain(),
            text().as_bytes(),
            "{accept}"
        );
    }
    let codings: Vec<_> = a
        .seen()
        .iter()
        .map(|seen| seen.header("accept-encoding"))
        .collect();
    assert_eq!(codings, ["zstd", "br", "gzip", "identity"]);
    let hit = get(&node, "/x", "zstd").await;
    assert!(
        hit.header("cache-status").starts_with("Zephyr; hit"),
        "{hit:?}"
    );
    let fields = [("accept-encoding", "zstd"), ("if-none-match", "W/\"v1\"")];
    let again = fetch(node.http(), Method::GET, "/x", &fields).await;
    assert_eq!(again.status, 304);
    assert_eq!(again.header("vary"), "accept-encoding");
    node.stop().await;
}

#[tokio::test]
async fn a_stored_answer_is_asked_about_by_its_weak_tag() {
    let a = upstream().await;
    let node = node(&a.url(), "cache = true").await;
    let first = get(&node, "/stale", "gzip").await;
    let second = get(&node, "/stale", "gzip").await;
    assert_eq!(a.seen().len(), 2);
    assert!(
        second.header("cache-status").contains("fwd-status=304"),
        "{second:?}"
    );
    assert_eq!(second.body, first.body);
    for name in ["content-encoding", "etag", "vary"] {
        assert_eq!(second.header(name), first.header(name), "{name}");
    }
    node.stop().await;
}

/// Events arrive one by one, though they are compressed.
#[tokio::test]
async fn a_stream_of_events_stays_one() {
    let (go, wait) = tokio::sync::mpsc::channel::<()>(1);
    let wait = std::sync::Arc::new(tokio::sync::Mutex::new(wait));
    let a = RawUpstream::start(move |_, mut stream| {
        let wait = std::sync::Arc::clone(&wait);
        async move {
            let _ = stream.read(&mut [0; 4096]).await;
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
            let _ = stream.write_all(head.as_bytes()).await;
            for _ in 0..3 {
                let _ = stream.write_all(b"9\r\ndata: 1\n\n\r\n").await;
                if wait.lock().await.recv().await.is_none() {
                    return;
                }
            }
            let _ = stream.write_all(b"0\r\n\r\n").await;
        }
    })
    .await;
    let node = node(&a.url(), "").await;
    let mut client = TcpStream::connect(node.http()).await.unwrap();
    let request =
        "GET /x HTTP/1.1\r\nhost: a\r\naccept-encoding: gzip\r\nconnection: close\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    for event in 1..=3_usize {
        while events(&seen) < event {
            let mut chunk = [0; 4096];
            let read = client.read(&mut chunk);
            let read = tokio::time::timeout(Duration::from_secs(20), read).await;
            let read = read.expect("an event in time").unwrap();
            assert!(read > 0, "the stream ends early");
            seen.extend_from_slice(&chunk[..read]);
        }
        assert_eq!(events(&seen), event);
        go.send(()).await.unwrap();
    }
    client.read_to_end(&mut seen).await.unwrap();
    assert!(seen.ends_with(b"0\r\n\r\n"));
    node.stop().await;
}

/// How many events can be decoded from the bytes of an answer so far.
fn events(seen: &[u8]) -> usize {
    let Some(end) = seen.windows(4).position(|four| four == b"\r\n\r\n") else {
        return 0;
    };
    let mut coded = Vec::new();
    let mut rest = &seen[end + 4..];
    while let Some(line) = rest.windows(2).position(|two| two == b"\r\n") {
        let length = std::str::from_utf8(&rest[..line]).unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        let Some(chunk) = rest.get(line + 2..line + 2 + length) else {
            break;
        };
        coded.extend_from_slice(chunk);
        rest = rest.get(line + 4 + length..).unwrap_or_default();
    }
    let mut decoder = flate2::write::GzDecoder::new(Vec::new());
    decoder.write_all(&coded).unwrap();
    decoder.flush().unwrap();
    let plain = decoder.get_ref();
    plain
        .windows(9)
        .filter(|nine| *nine == b"data: 1\n\n")
        .count()
}

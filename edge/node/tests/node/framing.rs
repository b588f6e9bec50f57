//! Requests that two servers might read apart are refused and the connection is closed; odd ones that
//! all servers read alike are served.

mod illegal;
mod legal;

use crate::support::{TestNode, TestUpstream, raw};

async fn start() -> (TestUpstream, TestNode) {
    let a = TestUpstream::named("a").await;
    let node = TestNode::start(&format!(
        "[upstreams.a]\nurl = \"{}\"\n[[routes]]\nname = \"all\"\npaths = [\"/{{*rest}}\", \"/\"]\nupstream = \"a\"\n",
        a.url()
    ))
    .await;
    (a, node)
}

#[tokio::test]
async fn illegal_requests_are_refused_and_the_connection_is_closed() {
    let (a, node) = start().await;
    let smuggled = b"GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut wrong = Vec::new();
    let corpus = illegal::corpus();
    for (request, status) in &corpus {
        let mut bytes = request.clone();
        bytes.extend_from_slice(smuggled);
        let answer = raw(node.http(), &bytes).await;
        let lower = answer.to_lowercase();
        let right = answer.starts_with(&format!("HTTP/1.1 {status} "))
            && answer.matches("HTTP/1.1 ").count() == 1
            && lower.contains("\r\nconnection: close\r\n")
            && lower.contains("\r\ndate: ")
            && lower.contains("\r\ncontent-type: application/problem+json\r\n")
            && lower.contains("\r\nx-request-id: ")
            && answer.contains(&format!("\"status\":{status}"));
        if !right {
            let request = String::from_utf8_lossy(request).into_owned();
            wrong.push((request, *status, answer));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}: {wrong:#?}",
        wrong.len(),
        corpus.len()
    );
    assert!(a.seen().is_empty(), "{:?}", a.seen());
    assert!(node.metric("zephyr_edge_heads_refused_total").await > 100);
    node.stop().await;
}

#[tokio::test]
async fn legal_oddities_are_served() {
    let (a, node) = start().await;
    for case in legal::CASES {
        let before = a.seen().len();
        let answer = raw(node.http(), case.request).await;
        let request = case.request;
        assert!(answer.contains(" 200 OK\r\n"), "{request:?}\n{answer}");
        let seen = &a.seen()[before..];
        let targets: Vec<_> = seen.iter().map(|seen| seen.target.as_str()).collect();
        assert_eq!(targets, case.targets, "{request:?}\n{answer}");
        assert_eq!(seen[0].body, case.body, "{request:?}");
    }
    node.stop().await;
}

#[tokio::test]
async fn bad_chunks_end_a_request_that_has_begun() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (a, node) = start().await;
    for body in [
        "5\nhello\r\n0\r\n\r\n",
        "5;a=\u{1}\r\nhello\r\n0\r\n\r\n",
        "x\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5\r\nhello\r\n0\r\nhost: b\r\n\r\n",
    ] {
        let mut stream = tokio::net::TcpStream::connect(node.http()).await.unwrap();
        let head = "POST /x HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        // The head is on its way to the upstream: the node asks for the body.
        let mut interim = [0; 25];
        stream.read_exact(&mut interim).await.unwrap();
        assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 400 "),
            "{body:?}\n{answer}"
        );
    }
    assert!(
        a.seen().iter().all(|seen| seen.body != "hello"),
        "{:?}",
        a.seen()
    );
    node.stop().await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (a, node) = start().await;
    let requests = "GET /1 HTTP/1.1\r\nhost: a\r\n\r\nPOST /2 HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabcGET /3 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answer = raw(node.http(), requests).await;
    let at = |answer: &str, text: &str| {
        answer
            .find(text)
            .unwrap_or_else(|| panic!("{text} in {answer}"))
    };
    assert!(at(&answer, "a /1") < at(&answer, "a /2"));
    assert!(at(&answer, "a /2") < at(&answer, "a /3"));
    // What is illegal is answered in its turn; what follows it is not looked at.
    let requests = "GET /4 HTTP/1.1\r\nhost: a\r\n\r\nGET /5 HTTP/1.1\r\nhost: a\r\n\r\nGET /6 HTTP/1.1\r\nhost : a\r\n\r\nGET /7 HTTP/1.1\r\nhost: a\r\n\r\n";
    let answer = raw(node.http(), requests).await;
    assert!(at(&answer, "a /4") < at(&answer, "a /5"));
    assert!(at(&answer, "a /5") < at(&answer, "HTTP/1.1 400 "));
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 3, "{answer}");
    // So it is with what follows a request that closes.
    let requests =
        "GET /8 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\nGET /9 HTTP/1.1\r\nhost: a\r\n\r\n";
    let answer = raw(node.http(), requests).await;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    assert!(
        a.seen()
            .iter()
            .all(|seen| !["/6", "/7", "/9"].contains(&seen.target.as_str()))
    );
    node.stop().await;
}

#[tokio::test]
async fn http10_gets_no_chunks() {
    let a = TestUpstream::start(|_| {
        let chunks = ["one ", "two"].map(|text| {
            Ok::<_, std::convert::Infallible>(http_body::Frame::data(bytes::Bytes::from(text)))
        });
        http::Response::new(http_body_util::StreamBody::new(futures_util::stream::iter(
            chunks,
        )))
    })
    .await;
    let node = TestNode::start(&format!(
        "[upstreams.a]\nurl = \"{}\"\n[[routes]]\nname = \"all\"\npaths = [\"/{{*rest}}\"]\nupstream = \"a\"\n",
        a.url()
    ))
    .await;
    for head in [
        "GET /x HTTP/1.0\r\n\r\n",
        "GET /x HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n",
    ] {
        let answer = raw(node.http(), head).await;
        let lower = answer.to_lowercase();
        assert!(!lower.contains("transfer-encoding"), "{answer}");
        assert!(answer.ends_with("\r\n\r\none two"), "{answer}");
    }
    node.stop().await;
}

#[tokio::test]
async fn tunnels_and_traces_are_refused() {
    let (a, node) = start().await;
    for head in [
        "CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n",
        "TRACE /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    ] {
        let answer = raw(node.http(), head).await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{head:?}\n{answer}");
    }
    assert!(a.seen().is_empty());
    node.stop().await;
}

#[tokio::test]
async fn options_may_ask_the_node_itself() {
    let (a, node) = start().await;
    for head in [
        "OPTIONS * HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        "OPTIONS /x HTTP/1.1\r\nhost: a\r\nmax-forwards: 0\r\nconnection: close\r\n\r\n",
    ] {
        let answer = raw(node.http(), head).await;
        assert!(answer.starts_with("HTTP/1.1 204 "), "{head:?}\n{answer}");
        assert!(
            answer.to_lowercase().contains("\r\nallow: get, "),
            "{answer}"
        );
    }
    assert!(a.seen().is_empty());
    let head = "OPTIONS /x HTTP/1.1\r\nhost: a\r\nmax-forwards: 5\r\nconnection: close\r\n\r\n";
    assert!(raw(node.http(), head).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(a.only().header("max-forwards"), "4");
    node.stop().await;
}

//! Requests that two servers might read apart are refused and the connection is closed.

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
async fn ambiguous_requests_get_400_and_a_closed_connection() {
    let (a, node) = start().await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    for head in [
        // Framing.
        "POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
        "POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\ncontent-length: 0\r\n\r\n",
        "POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\ncontent-length: 5\r\n\r\n",
        "POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: +0\r\n\r\n",
        "POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: identity\r\n\r\n",
        "POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        "POST /x HTTP/1.1\r\nhost: a\r\ncontent_length: 5\r\n\r\n",
        "POST /x HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        // Lines.
        "GET /x HTTP/1.1\nhost: a\n\n",
        "GET /x HTTP/1.1\r\nhost: a\r\nx: b\n\r\n",
        "GET /x HTTP/1.1\r\nhost: a\r\nx: b\r\n c\r\n\r\n",
        "GET /x HTTP/1.1\r\nhost: a\r\nx\r\n\r\n",
        "GET /x HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n\r\n",
        "GET  /x HTTP/1.1\r\nhost: a\r\n\r\n",
        // Host.
        "GET /x HTTP/1.1\r\n\r\n",
        "GET /x HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n",
        "GET /x HTTP/1.1\r\nhost: a b\r\n\r\n",
        "GET /x HTTP/1.1\r\nhost: u@a\r\n\r\n",
        "GET /x HTTP/1.1\r\nhost: a/b\r\n\r\n",
        "GET /x HTTP/1.1\r\nhost:\r\n\r\n",
        "GET http://b/x HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET http://u@a/x HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET ftp://a/x HTTP/1.1\r\nhost: a\r\n\r\n",
        // Target.
        "GET * HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /../x HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /a/%2e%2e/x HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /a/..%2fx HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /a\\..\\x HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /a%00 HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /a#b HTTP/1.1\r\nhost: a\r\n\r\n",
    ] {
        let answer = raw(node.http(), format!("{head}{smuggled}")).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{head:?}\n{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{head:?}\n{answer}");
        assert!(
            answer.to_lowercase().contains("connection: close"),
            "{head:?}\n{answer}"
        );
    }
    assert!(a.seen().is_empty(), "{:?}", a.seen());
    assert!(node.metric("zephyr_edge_heads_refused_total").await > 10);
    node.stop().await;
}

#[tokio::test]
async fn bad_chunks_end_the_request() {
    let (_a, node) = start().await;
    for body in [
        "5\nhello\r\n0\r\n\r\n",
        "5;a=\u{1}\r\nhello\r\n0\r\n\r\n",
        "x\r\n",
        "5\r\nhelloXX0\r\n\r\n",
    ] {
        let head = "POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
        let answer = raw(node.http(), format!("{head}{body}")).await;
        assert!(!answer.contains(" 200 "), "{body:?}\n{answer}");
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 400 "),
            "{body:?}\n{answer}"
        );
    }
    node.stop().await;
}

#[tokio::test]
async fn legal_oddities_are_served() {
    let (a, node) = start().await;
    for (head, target) in [
        (
            "\r\nGET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
            "/x",
        ),
        (
            "GET http://A:80/abs?q HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
            "/abs?q",
        ),
        ("GET /old HTTP/1.0\r\n\r\n", "/old"),
        (
            "GET /dots...and..dots HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
            "/dots...and..dots",
        ),
        (
            "POST /chunks HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n3;x=\"y\"\r\nabc\r\n0\r\nt: 1\r\n\r\n",
            "/chunks",
        ),
    ] {
        let answer = raw(node.http(), head).await;
        assert!(answer.contains(" 200 OK"), "{head:?}\n{answer}");
        assert!(
            answer.contains(&format!("a {target}")),
            "{head:?}\n{answer}"
        );
    }
    assert_eq!(a.seen().last().unwrap().body, "abc");
    node.stop().await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (_a, node) = start().await;
    let requests = "GET /1 HTTP/1.1\r\nhost: a\r\n\r\nPOST /2 HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabcGET /3 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answer = raw(node.http(), requests).await;
    let at = |text| {
        answer
            .find(text)
            .unwrap_or_else(|| panic!("{text} in {answer}"))
    };
    assert!(at("a /1") < at("a /2") && at("a /2") < at("a /3"));
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

//! WebSocket and other upgrades, over HTTP/1.1 and HTTP/2.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Method, Request, StatusCode};
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::support::client::PATIENCE;
use crate::support::{RawUpstream, TestNode, raw, until};

fn config(url: &str, extra: &str, route: &str) -> String {
    format!(
        r#"
        {extra}
        [upstreams.a]
        url = "{url}"
        [[routes]]
        name = "all"
        paths = ["/{{*rest}}"]
        upstream = "a"
        {route}
        "#
    )
}

/// Sends back what it gets.
async fn echo() -> RawUpstream {
    RawUpstream::start(|_, stream| async move {
        let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else {
            return;
        };
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() || message.is_binary() {
                let _ = socket.send(message).await;
            }
        }
    })
    .await
}

async fn websocket(address: SocketAddr) -> Result<WebSocketStream<TcpStream>, Error> {
    let stream = TcpStream::connect(address).await.unwrap();
    let url = format!("ws://{address}/chat");
    let handshake = tokio_tungstenite::client_async(url, stream);
    let (socket, answer) = tokio::time::timeout(PATIENCE, handshake)
        .await
        .expect("an answer in time")?;
    assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
    Ok(socket)
}

/// A bare handshake, without its end.
fn handshake(fields: &str) -> String {
    format!(
        "GET /chat HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: Upgrade\r\n{fields}\r\n"
    )
}

const KEY: &str = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

async fn talk<S>(socket: &mut WebSocketStream<S>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    // Small ones, and one that fits no buffer on the way.
    for text in ["hello".to_owned(), String::new(), "x".repeat(1 << 20)] {
        let message = Message::text(text);
        let exchange = async {
            socket.send(message.clone()).await.unwrap();
            socket.next().await.unwrap().unwrap()
        };
        let heard = tokio::time::timeout(PATIENCE, exchange).await.unwrap();
        assert_eq!(heard.len(), message.len());
        assert_eq!(heard, message);
    }
}

async fn until_closed(node: &TestNode) {
    let none = async || node.metric("zephyr_edge_tunnels_open").await == 0;
    until("the end of all tunnels", none).await;
}

#[tokio::test]
async fn a_websocket_is_tunnelled() {
    let upstream = echo().await;
    let node = TestNode::start(&config(&upstream.url(), "", "")).await;
    let mut socket = websocket(node.http()).await.unwrap();
    talk(&mut socket).await;
    assert_eq!(node.metric("zephyr_edge_tunnels_open").await, 1);
    assert_eq!(node.metric("zephyr_edge_tunnels_opened_total").await, 1);
    socket.close(None).await.unwrap();
    while socket.next().await.is_some() {}
    drop(socket);
    until_closed(&node).await;
    node.stop().await;
}

#[tokio::test]
async fn a_websocket_over_http2_is_tunnelled() {
    let upstream = echo().await;
    let node = TestNode::start(&config(&upstream.url(), "", "")).await;
    let stream = TcpStream::connect(node.http()).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let connect = |protocol: &'static str, version: &'static str| {
        Request::builder()
            .method(Method::CONNECT)
            .uri("http://a/chat")
            .header("sec-websocket-version", version)
            .extension(hyper::ext::Protocol::from_static(protocol))
            .body(Empty::<Bytes>::new())
            .unwrap()
    };
    // Extended CONNECT is allowed once the node's settings have said so.
    let answer = loop {
        sender.ready().await.unwrap();
        match sender.send_request(connect("websocket", "13")).await {
            Ok(answer) => break answer,
            Err(error) if error.is_user() => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(!answer.headers().contains_key("sec-websocket-accept"));
    let io = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Client, None).await;
    talk(&mut socket).await;
    // Others go beside it.
    for (protocol, version, status) in [("foo", "13", 501), ("websocket", "8", 426)] {
        let answer = sender.send_request(connect(protocol, version)).await;
        assert_eq!(answer.unwrap().status(), status);
    }
    socket.close(None).await.unwrap();
    while let Some(Ok(_)) = socket.next().await {}
    drop(socket);
    until_closed(&node).await;
    node.stop().await;
}

/// Switches to anything, says when the head is there, and echoes bytes until the client's end, after
/// which it says goodbye.
async fn bytes_upstream() -> RawUpstream {
    RawUpstream::start(|_, mut stream| async move {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let switch =
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: bytes\r\nx-seen: ";
        let seen = head.to_lowercase().contains("upgrade: bytes\r\n");
        stream
            .write_all(format!("{switch}{seen}\r\n\r\nwelcome").as_bytes())
            .await
            .unwrap();
        let (mut reader, mut writer) = stream.split();
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
        let _ = writer.write_all(b"bye").await;
    })
    .await
}

#[tokio::test]
async fn any_protocol_that_a_route_names_is_tunnelled_and_either_side_may_end_first() {
    let upstream = bytes_upstream().await;
    let route = "upgrade = [\"bytes\"]";
    let node = TestNode::start(&config(&upstream.url(), "", route)).await;
    // What the client says before it knows is kept for the other protocol, whatever it looks like.
    let request =
        "GET /x HTTP/1.1\r\nhost: a\r\nupgrade: Bytes\r\nconnection: upgrade\r\n\r\n\0early\n";
    let mut stream = TcpStream::connect(node.http()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.write_all(b"late").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
    assert!(heard.starts_with("HTTP/1.1 101 "), "{heard}");
    assert!(heard.contains("x-seen: true\r\n"), "{heard}");
    assert!(
        heard.to_lowercase().contains("connection: upgrade\r\n"),
        "{heard}"
    );
    assert!(
        heard.ends_with("\r\n\r\nwelcome\0early\nlatebye"),
        "{heard:?}"
    );
    node.stop().await;
}

#[tokio::test]
async fn handshakes_that_are_wrong_are_refused() {
    let upstream = echo().await;
    let node = TestNode::start(&config(&upstream.url(), "", "")).await;
    for (fields, status) in [
        ("sec-websocket-version: 13\r\n".to_owned(), 400),
        (
            "sec-websocket-version: 13\r\nsec-websocket-key: a\r\n".to_owned(),
            400,
        ),
        (KEY.to_owned(), 426),
        (format!("{KEY}sec-websocket-version: 8\r\n"), 426),
    ] {
        let answer = raw(node.http(), handshake(&fields)).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{fields}\n{answer}"
        );
        if status == 426 {
            let lower = answer.to_lowercase();
            assert!(lower.contains("\r\nupgrade: websocket\r\n"), "{answer}");
            assert!(
                lower.contains("\r\nsec-websocket-version: 13\r\n"),
                "{answer}"
            );
        }
    }
    assert_eq!(upstream.connections(), 0);
    node.stop().await;
}

#[tokio::test]
async fn an_upstream_that_says_no_is_an_answer_like_any_other() {
    let upstream = RawUpstream::start(|_, mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream
            .write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno")
            .await;
    })
    .await;
    let node = TestNode::start(&config(&upstream.url(), "", "")).await;
    match websocket(node.http()).await {
        Err(Error::Http(answer)) => assert_eq!(answer.status(), 403),
        other => panic!("{other:?}"),
    }
    // The connection goes on as HTTP, with what was sent after the handshake.
    let fields = format!("{KEY}sec-websocket-version: 13\r\n");
    let next = "GET /next HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answer = raw(node.http(), format!("{}{next}", handshake(&fields))).await;
    assert_eq!(answer.matches("HTTP/1.1 403 ").count(), 2, "{answer}");
    assert_eq!(node.metric("zephyr_edge_tunnels_open").await, 0);
    node.stop().await;
}

#[tokio::test]
async fn an_upstream_that_switches_to_something_else_is_not_believed() {
    let upstream = RawUpstream::start(|_, mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: wrong\r\n\r\n")
            .await;
    })
    .await;
    let node = TestNode::start(&config(&upstream.url(), "", "")).await;
    match websocket(node.http()).await {
        Err(Error::Http(answer)) => assert_eq!(answer.status(), 502),
        other => panic!("{other:?}"),
    }
    node.stop().await;
}

#[tokio::test]
async fn a_route_that_grants_nothing_passes_the_wish_over() {
    let upstream = crate::support::TestUpstream::named("a").await;
    let node = TestNode::start(&config(&upstream.url(), "", "upgrade = []")).await;
    match websocket(node.http()).await {
        Err(Error::Http(answer)) => assert_eq!(answer.status(), 200),
        other => panic!("{other:?}"),
    }
    assert_eq!(upstream.only().header("upgrade"), "");
    node.stop().await;
}

#[tokio::test]
async fn tunnels_are_bounded_and_filters_run_before() {
    let upstream = echo().await;
    let extra = "[tunnels]\nmax = 1\n[components.ratelimit]\npath = \"$components/ratelimit.wasm\"\nkind = \"filter\"\ndeadline = \"5s\"";
    let limits = r#"
        [[routes.stages]]
        filter = "ratelimit"
        [routes.stages.config]
        limits = [{ name = "ip", key = ["ip"], count = 1, period = "1h", burst = 2 }]
    "#;
    let node = TestNode::start(&config(&upstream.url(), extra, limits)).await;
    let mut first = websocket(node.http()).await.unwrap();
    let status = |result: Result<_, Error>| match result {
        Err(Error::Http(answer)) => answer.status().as_u16(),
        other => panic!("{:?}", other.map(|_: WebSocketStream<TcpStream>| ())),
    };
    assert_eq!(status(websocket(node.http()).await), 503);
    assert_eq!(
        node.metric("zephyr_edge_tunnels_turned_away_total").await,
        1
    );
    first.close(None).await.unwrap();
    while first.next().await.is_some() {}
    drop(first);
    until_closed(&node).await;
    let _second = websocket(node.http()).await.unwrap();
    drop(_second);
    until_closed(&node).await;
    assert_eq!(status(websocket(node.http()).await), 429);
    node.stop().await;
}

#[tokio::test]
async fn a_silent_tunnel_is_cut_and_a_stop_gives_grace() {
    let upstream = echo().await;
    let extra = "[tunnels]\nidle_timeout = \"100ms\"";
    let node = TestNode::start(&config(&upstream.url(), extra, "")).await;
    let mut socket = websocket(node.http()).await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap();
    assert!(!matches!(ended, Some(Ok(_))), "{ended:?}");
    node.stop().await;

    let node = TestNode::start(&config(&upstream.url(), "", "")).await;
    let mut socket = websocket(node.http()).await.unwrap();
    let address = node.http();
    let stopping = tokio::spawn(node.stop());
    // The stop has begun when nobody is taken in any more.
    while TcpStream::connect(address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    talk(&mut socket).await;
    drop(socket);
    tokio::time::timeout(PATIENCE, stopping)
        .await
        .expect("stops when the tunnel has ended")
        .unwrap();
}

//! What balancers say of clients, by the PROXY protocol.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::tls::{BOTH, Identity, client, get, handshake};
use crate::support::{PATIENCE, TestNode, TestUpstream, raw};

const GET: &str = "GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

async fn start(listen: &str, rest: &str) -> (TestUpstream, TestNode) {
    let a = TestUpstream::named("a").await;
    let node = TestNode::start(&format!(
        r#"
        [listen]
        http = "127.0.0.1:0"
        admin = "127.0.0.1:0"
        {listen}
        {rest}
        [upstreams.a]
        url = "{}"
        [[routes]]
        name = "all"
        paths = ["/{{*rest}}"]
        upstream = "a"
        "#,
        a.url()
    ))
    .await;
    (a, node)
}

const BALANCER: &str = "proxy_protocol = [\"127.0.0.0/8\"]";

/// Version 2: command, family, payload.
fn v2(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    bytes.extend([command, family]);
    bytes.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    bytes.extend(payload);
    bytes
}

#[tokio::test]
async fn the_client_is_the_one_that_the_balancer_names() {
    let (a, node) = start(BALANCER, "").await;
    let v4 = [203, 0, 113, 9, 10, 0, 0, 1, 0xdc, 4, 0, 80];
    let with_tlvs = [&v4[..], b"\x01\x00\x02h2\x04\x00\x00"].concat();
    let mut v6 = [0; 36];
    (v6[0], v6[1], v6[15], v6[31]) = (0x20, 1, 9, 1);
    let clients = [
        (
            b"PROXY TCP4 203.0.113.9 10.0.0.1 56324 80\r\n".to_vec(),
            "203.0.113.9",
        ),
        (
            b"PROXY TCP6 2001:db8::9 2001:db8::1 56324 80\r\n".to_vec(),
            "2001:db8::9",
        ),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (v2(0x21, 0x11, &v4), "203.0.113.9"),
        (v2(0x21, 0x11, &with_tlvs), "203.0.113.9"),
        (v2(0x21, 0x21, &v6), "2001::9"),
        // The balancer asks for itself.
        (v2(0x20, 0x00, b""), "127.0.0.1"),
    ];
    for (header, _) in &clients {
        let answer = raw(node.http(), [header, GET.as_bytes()].concat()).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{header:?}: {answer}");
    }
    let seen = a.seen();
    for ((header, client), seen) in clients.iter().zip(&seen) {
        assert_eq!(seen.header("x-forwarded-for"), *client, "{header:?}");
    }
    node.stop().await;
}

/// In whatever pieces it comes, and with HTTP/2 behind it.
#[tokio::test]
async fn a_header_may_come_byte_by_byte() {
    let (a, node) = start(BALANCER, "").await;
    let mut stream = TcpStream::connect(node.http()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for byte in "PROXY TCP4 203.0.113.9 10.0.0.1 56324 80\r\n".bytes() {
        stream.write_all(&[byte]).await.unwrap();
    }
    stream.write_all(GET.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(a.only().header("x-forwarded-for"), "203.0.113.9");
    node.stop().await;
}

#[tokio::test]
async fn it_comes_before_tls() {
    let folder = tempfile::tempdir().unwrap();
    let identity = Identity::write(folder.path(), "a", &["a.test"]);
    let listen = format!("{BALANCER}\nhttps = \"127.0.0.1:0\"");
    let (a, node) = start(&listen, &identity.config()).await;
    let mut stream = TcpStream::connect(node.https()).await.unwrap();
    let header = b"PROXY TCP4 203.0.113.9 10.0.0.1 56324 443\r\n";
    stream.write_all(header).await.unwrap();
    let config = client(&[&identity.der], BOTH, &["h2"]);
    let stream = handshake(stream, "a.test", &config).await.unwrap();
    assert_eq!(get(stream, "a.test", "/x").await.status, 200);
    assert_eq!(a.only().header("x-forwarded-for"), "203.0.113.9");
    assert_eq!(a.only().header("x-forwarded-proto"), "https");
    node.stop().await;
}

#[tokio::test]
async fn balancers_must_and_others_must_not() {
    let listen = format!("{BALANCER}\nproxy_protocol_timeout = \"200ms\"");
    let (a, node) = start(&listen, "").await;
    assert_eq!(raw(node.http(), GET).await, "");
    let bad = v2(0x21, 0x11, &[0; 4]);
    assert_eq!(raw(node.http(), bad).await, "");
    let refused = "zephyr_edge_connections_proxy_refused_total";
    assert_eq!(node.metric(refused).await, 2);
    // One that stops within it.
    assert_eq!(raw(node.http(), "PROXY TCP4 203").await, "");
    assert_eq!(
        node.metric("zephyr_edge_connections_stalled_total").await,
        1
    );
    assert!(a.seen().is_empty());
    node.stop().await;

    let (a, node) = start("proxy_protocol = [\"10.0.0.0/8\"]", "").await;
    for header in [
        b"PROXY TCP4 203.0.113.9 10.0.0.1 56324 80\r\n".to_vec(),
        v2(0x21, 0x11, &[0; 12]),
    ] {
        let answer = raw(node.http(), [&header, GET.as_bytes()].concat()).await;
        assert!(!answer.contains(" 200 "), "{answer}");
    }
    assert!(a.seen().is_empty(), "{:?}", a.seen());
    node.stop().await;
}

#[tokio::test]
async fn connections_are_bounded_for_each_client() {
    let listen = format!("{BALANCER}\nmax_connections_per_ip = 2");
    let (_a, node) = start(&listen, "").await;
    let open = async |client: &str| {
        let mut stream = TcpStream::connect(node.http()).await.unwrap();
        let head =
            format!("PROXY TCP4 {client} 10.0.0.1 1 80\r\nGET /x HTTP/1.1\r\nhost: a\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut first = [0; 12];
        let read = tokio::time::timeout(PATIENCE, stream.read_exact(&mut first));
        let served = read.await.expect("an answer or an end").is_ok();
        served.then_some(stream)
    };
    let first = open("203.0.113.9").await.expect("served");
    let _second = open("203.0.113.9").await.expect("served");
    assert!(open("203.0.113.9").await.is_none());
    let _other = open("203.0.113.10").await.expect("served");
    let turned_away = "zephyr_edge_connections_turned_away_by_address_total";
    assert_eq!(node.metric(turned_away).await, 1);
    drop(first);
    let mut tries = 0;
    while open("203.0.113.9").await.is_none() {
        tries += 1;
        assert!(tries < 1000, "the place is not given back");
    }
    node.stop().await;
}

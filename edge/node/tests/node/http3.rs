//! HTTP/3 with a real client: bodies both ways, trailers, limits, and a stop.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use h3::client::SendRequest;
use h3_quinn::OpenStreams;
use http::{HeaderMap, Request, StatusCode};
use quinn::crypto::rustls::QuicClientConfig;
use rustls::version::TLS13;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;
use zephyr_edge::Options;

use crate::support::tls::{BOTH, Identity, client, connect, get};
use crate::support::{PATIENCE, RawUpstream, TestNode, TestUpstream, answer};

struct Client {
    sender: SendRequest<OpenStreams, Bytes>,
    quic: quinn::Connection,
    _endpoint: quinn::Endpoint,
}

struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
}

impl Client {
    async fn open(address: SocketAddr, identity: &Identity) -> Self {
        let tls = client(&[&identity.der], &[&TLS13], &["h3"]);
        let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
        let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let connecting = endpoint.connect_with(config, address, "a.test").unwrap();
        let quic = tokio::time::timeout(PATIENCE, connecting)
            .await
            .unwrap()
            .unwrap();
        let transport = h3_quinn::Connection::new(quic.clone());
        let (mut driver, sender) = h3::client::new(transport).await.unwrap();
        tokio::spawn(async move { driver.wait_idle().await });
        Self {
            sender,
            quic,
            _endpoint: endpoint,
        }
    }

    async fn send(
        &mut self,
        request: Request<Vec<u8>>,
    ) -> Result<Answered, h3::error::StreamError> {
        let (parts, body) = request.into_parts();
        let head = Request::from_parts(parts, ());
        let exchange = async {
            let mut stream = self.sender.send_request(head).await?;
            for chunk in body.chunks(10_000) {
                stream.send_data(Bytes::copy_from_slice(chunk)).await?;
            }
            stream.finish().await?;
            let (parts, ()) = stream.recv_response().await?.into_parts();
            let mut body = Vec::new();
            while let Some(mut data) = stream.recv_data().await? {
                body.extend_from_slice(&data.copy_to_bytes(data.remaining()));
            }
            let trailers = stream.recv_trailers().await?;
            Ok(Answered {
                status: parts.status,
                headers: parts.headers,
                body,
                trailers,
            })
        };
        tokio::time::timeout(PATIENCE, exchange)
            .await
            .expect("an answer in time")
    }

    async fn get(&mut self, path: &str) -> Answered {
        let request = Request::get(format!("https://a.test{path}"));
        self.send(request.body(Vec::new()).unwrap()).await.unwrap()
    }
}

async fn start(listen: &str, upstream: &str) -> (tempfile::TempDir, Identity, TestNode) {
    let folder = tempfile::tempdir().unwrap();
    let identity = Identity::write(folder.path(), "a", &["a.test"]);
    let node = TestNode::start(&config(listen, &identity, upstream)).await;
    (folder, identity, node)
}

fn config(listen: &str, identity: &Identity, upstream: &str) -> String {
    format!(
        r#"
        shutdown_grace = "20s"
        [listen]
        http = "127.0.0.1:0"
        https = "127.0.0.1:0"
        admin = "127.0.0.1:0"
        http3 = true
        {listen}
        [log]
        access = false
        {}
        [upstreams.a]
        url = "{}"
        [[routes]]
        name = "all"
        paths = ["/{{*rest}}"]
        upstream = "a"
        "#,
        identity.config(),
        upstream
    )
}

/// An upstream that answers `/slow` with this body once it is let, and the rest at once.
struct Slow {
    upstream: RawUpstream,
    arrived: Arc<Notify>,
    go: Arc<Notify>,
}

async fn slow(name: &'static str, body: Vec<u8>) -> Slow {
    let (arrived, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tells, waits) = (Arc::clone(&arrived), Arc::clone(&go));
    let body = Arc::new(body);
    let upstream = RawUpstream::start(move |_, mut stream| {
        let (arrived, go, body) = (Arc::clone(&tells), Arc::clone(&waits), Arc::clone(&body));
        async move {
            let mut head = [0; 4096];
            while let Ok(length @ 1..) = stream.read(&mut head).await {
                let is_slow = head[..length].starts_with(b"GET /slow ");
                if is_slow {
                    arrived.notify_one();
                    go.notified().await;
                }
                let body = if is_slow { &body[..] } else { name.as_bytes() };
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(body).await;
            }
        }
    })
    .await;
    Slow {
        upstream,
        arrived,
        go,
    }
}

#[tokio::test]
async fn requests_go_the_way_of_all_others() {
    let upstream = TestUpstream::named("a").await;
    let (_folder, identity, node) = start("", &upstream.url()).await;
    let mut client = Client::open(node.https(), &identity).await;
    let answer = client.get("/x?y").await;
    assert_eq!(
        (answer.status.as_u16(), &answer.body[..]),
        (200, &b"a /x?y"[..])
    );
    assert!(answer.headers.contains_key("date"));
    assert_eq!(answer.headers["content-length"], "6");
    let seen = upstream.only();
    assert_eq!(seen.header("x-forwarded-proto"), "https");
    assert_eq!(seen.header("host"), "a.test");
    assert_eq!(seen.header("transfer-encoding"), "", "no body is no body");
    assert_eq!(seen.header("content-length"), "");

    let head = Request::head("https://a.test/x").body(Vec::new()).unwrap();
    let answer = client.send(head).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
    // Fields that HTTP/3 does not know make a request malformed.
    let odd = Request::get("https://a.test/x").header("connection", "close");
    assert!(client.send(odd.body(Vec::new()).unwrap()).await.is_err());
    assert_eq!(client.get("/after").await.status, 200);
    node.stop().await;
}

#[tokio::test]
async fn bodies_go_both_ways_with_their_bounds() {
    let upstream = TestUpstream::start(|seen| answer(200, seen.body.clone())).await;
    let (_folder, identity, node) = start("max_body_bytes = \"1MiB\"", &upstream.url()).await;
    let mut client = Client::open(node.https(), &identity).await;
    let body: Vec<u8> = (0..600_000u32).map(|at| b'a' + (at % 23) as u8).collect();
    let post = |body: Vec<u8>, length: Option<usize>| {
        let mut request = Request::post("https://a.test/x");
        if let Some(length) = length {
            request = request.header("content-length", length);
        }
        request.body(body).unwrap()
    };
    for length in [None, Some(body.len())] {
        let answer = client.send(post(body.clone(), length)).await.unwrap();
        assert_eq!(answer.status, 200);
        assert!(answer.body == body, "{} bytes came back", answer.body.len());
    }
    // A length that is not the body's.
    for length in [5, 50] {
        let outcome = client
            .send(post(b"0123456789".to_vec(), Some(length)))
            .await;
        let refused = outcome.map_or(true, |answer| answer.status != 200);
        assert!(refused, "{length}");
    }
    let outcome = client.send(post(vec![b'x'; 2 << 20], Some(2 << 20))).await;
    assert!(outcome.map_or(true, |answer| answer.status == 413));
    assert_eq!(client.get("/after").await.status, 200);
    node.stop().await;
}

#[tokio::test]
async fn trailers_arrive() {
    let upstream = RawUpstream::start(|_, mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let answer =
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-checksum\r\n\r\n\
            4\r\nbody\r\n0\r\nx-checksum: abc\r\n\r\n";
        let _ = stream.write_all(answer).await;
        let _ = stream.read(&mut [0; 1]).await;
    })
    .await;
    let (_folder, identity, node) = start("", &upstream.url()).await;
    let mut client = Client::open(node.https(), &identity).await;
    let request = Request::get("https://a.test/x").header("te", "trailers");
    let answer = client
        .send(request.body(Vec::new()).unwrap())
        .await
        .unwrap();
    assert_eq!(answer.body, b"body");
    let trailers = answer.trailers.expect("trailers");
    assert_eq!(trailers["x-checksum"], "abc");
    node.stop().await;
}

#[tokio::test]
async fn it_is_announced_and_stops_gracefully() {
    let upstream = TestUpstream::named("a").await;
    let (_folder, identity, node) = start("https_port = 4433", &upstream.url()).await;
    let over_tcp = client(&[&identity.der], BOTH, &["h2"]);
    let stream = connect(node.https(), "a.test", &over_tcp).await.unwrap();
    let answer = get(stream, "a.test", "/x").await;
    assert_eq!(answer.header("alt-svc"), "h3=\":4433\"; ma=86400");
    assert_eq!(
        node.get("/x").await.header("alt-svc"),
        "",
        "not without TLS"
    );

    let mut client = Client::open(node.https(), &identity).await;
    assert_eq!(client.get("/x").await.status, 200);
    let quic = client.quic.clone();
    let stopping = tokio::time::timeout(PATIENCE / 2, node.stop());
    stopping.await.expect("idle connections hold nothing up");
    tokio::time::timeout(PATIENCE, quic.closed())
        .await
        .expect("closed");
}

/// More than any window: the client's packets have to come through for it to go on.
const LARGE: usize = 6 << 20;

fn large() -> Vec<u8> {
    (0..LARGE).map(|at| b'a' + (at % 23) as u8).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_on_its_way_is_answered_when_the_node_stops() {
    let slow = slow("old", large()).await;
    let (_folder, identity, node) = start("", &slow.upstream.url()).await;
    let mut client = Client::open(node.https(), &identity).await;
    assert_eq!(client.get("/x").await.body, b"old");
    let open = "zephyr_edge_protocol_connections_open{protocol=\"h3\"}";
    assert_eq!(node.metric(open).await, 1);
    let address = node.http();
    let quic = client.quic.clone();
    let asking = tokio::spawn(async move { (client.get("/slow").await, client) });
    slow.arrived.notified().await;
    let stopping = tokio::spawn(node.stop());
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    slow.go.notify_one();
    let (answer, _client) = asking.await.unwrap();
    assert!(answer.status == 200 && answer.body == large());
    tokio::time::timeout(PATIENCE / 2, stopping)
        .await
        .expect("stops")
        .unwrap();
    let end = tokio::time::timeout(PATIENCE, quic.closed())
        .await
        .expect("closed");
    let quinn::ConnectionError::ApplicationClosed(end) = end else {
        panic!("{end}");
    };
    assert_eq!(
        u64::from(end.error_code),
        h3::error::Code::H3_NO_ERROR.value()
    );
}

/// Both are in this process here; they share no more than sockets.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn another_node_takes_over_and_the_connections_of_both_go_on() {
    let (one, two) = (slow("old", large()).await, slow("new", Vec::new()).await);
    let folder = tempfile::tempdir().unwrap();
    let identity = Identity::write(folder.path(), "a", &["a.test"]);
    let place = folder.path().join("takeover.sock");
    let of_old = config("", &identity, &one.upstream.url());
    let of_new = config("", &identity, &two.upstream.url());
    let old = TestNode::start_with(
        tempfile::tempdir().unwrap(),
        &of_old,
        Options {
            takeover: Some(place.clone()),
            ..Options::default()
        },
    );
    let old = old.await.unwrap();
    let address = old.https();
    // Some that rest, and some on which an answer is on its way.
    let mut resting = Vec::new();
    let mut asking = Vec::new();
    for number in 0..6 {
        let mut client = Client::open(address, &identity).await;
        assert_eq!(client.get("/x").await.body, b"old");
        if number % 2 == 0 {
            resting.push(client);
            continue;
        }
        asking.push(tokio::spawn(async move { client.get("/slow").await }));
        one.arrived.notified().await;
    }
    let (sockets, predecessor) =
        tokio::task::spawn_blocking(move || zephyr_edge::takeover::receive(&place).unwrap())
            .await
            .unwrap();
    let new = TestNode::start_with(
        tempfile::tempdir().unwrap(),
        &of_new,
        Options {
            sockets,
            predecessor: Some(predecessor),
            ..Options::default()
        },
    );
    let new = new.await.unwrap();
    assert_eq!(new.https(), address);
    let leaving = tokio::spawn(old.leave());
    for _ in 0..20 {
        let mut client = Client::open(address, &identity).await;
        for _ in 0..3 {
            assert_eq!(client.get("/x").await.body, b"new");
        }
    }
    for client in resting {
        let end = tokio::time::timeout(PATIENCE, client.quic.closed()).await;
        let end = end.expect("who rests is asked to go");
        assert!(
            matches!(end, quinn::ConnectionError::ApplicationClosed(_)),
            "{end}"
        );
    }
    for asking in asking {
        one.go.notify_one();
        let answer = asking.await.unwrap();
        assert!(answer.status == 200 && answer.body == large());
    }
    tokio::time::timeout(PATIENCE, leaving)
        .await
        .expect("leaves")
        .unwrap();
    let mut client = Client::open(address, &identity).await;
    assert_eq!(client.get("/x").await.body, b"new");
    let large = Request::get("https://a.test/x").header("x-large", "y".repeat(5000));
    assert_eq!(
        client
            .send(large.body(Vec::new()).unwrap())
            .await
            .unwrap()
            .status,
        200
    );
    new.stop().await;
}

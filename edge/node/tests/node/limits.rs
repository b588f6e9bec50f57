//! Bounds on what clients may send and how long they may take.

use std::time::Duration;

use http::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Connection, TestNode, TestUpstream, get, raw, request};

/// Connections between two requests.
const RESTING: &str = "zephyr_edge_connections_resting";

async fn start(listen: &str) -> (TestUpstream, TestNode) {
    let a = TestUpstream::named("a").await;
    let node = TestNode::start(&format!(
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
        a.url()
    ))
    .await;
    (a, node)
}

/// Reads until the node closes the connection.
async fn closed(stream: &mut TcpStream) -> String {
    let mut rest = Vec::new();
    let read = stream.read_to_end(&mut rest);
    let _ = tokio::time::timeout(Duration::from_secs(20), read)
        .await
        .expect("closed in time");
    String::from_utf8(rest).unwrap()
}

#[tokio::test]
async fn heads_are_bounded() {
    let (a, node) = start("max_header_bytes = \"2KiB\"\nmax_headers = 10").await;
    let long = format!(
        "GET /x HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n",
        "y".repeat(3000)
    );
    assert!(raw(node.http(), long).await.starts_with("HTTP/1.1 431 "));
    let many = format!(
        "GET /x HTTP/1.1\r\nhost: a\r\n{}\r\n",
        "x: y\r\n".repeat(20)
    );
    assert!(raw(node.http(), many).await.starts_with("HTTP/1.1 431 "));
    assert!(a.seen().is_empty());
    node.stop().await;
}

#[tokio::test]
async fn bodies_are_bounded_announced_or_not() {
    let (a, node) = start("max_body_bytes = \"1KiB\"").await;
    let post = |body: String| Request::post("/x").body(body).unwrap();
    assert_eq!(
        request(node.http(), post("x".repeat(1024))).await.status,
        200
    );
    let answer = request(node.http(), post("x".repeat(1025))).await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.json()["status"], 413);
    let seen = a.seen().len();
    assert_eq!(seen, 1);

    let chunk = format!("400\r\n{}\r\n", "x".repeat(1024));
    let head = "POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    let answer = raw(node.http(), format!("{head}{chunk}{chunk}0\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let answer = raw(
        node.http(),
        format!("{head}{chunk}0\r\n\r\n").replace("host: a", "host: a\r\nconnection: close"),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    node.stop().await;
}

#[tokio::test]
async fn a_slow_head_ends_the_connection() {
    let (_a, node) = start("header_read_timeout = \"200ms\"\nidle_timeout = \"60s\"").await;
    // One that never begins, one that begins and goes on byte by byte.
    let mut silent = TcpStream::connect(node.http()).await.unwrap();
    assert_eq!(closed(&mut silent).await, "");
    let mut slow = TcpStream::connect(node.http()).await.unwrap();
    let (mut reader, mut writer) = slow.split();
    let dripping = async {
        writer.write_all(b"GET /x HTTP/1.1\r\nx: ").await.unwrap();
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if writer.write_all(b"y").await.is_err() {
                return std::future::pending::<()>().await;
            }
        }
    };
    let mut rest = Vec::new();
    tokio::select! {
        _ = reader.read_to_end(&mut rest) => {}
        () = dripping => unreachable!(),
        () = tokio::time::sleep(Duration::from_secs(20)) => panic!("still open"),
    }
    assert!(node.metric("zephyr_edge_connections_stalled_total").await >= 2);
    node.stop().await;
}

#[tokio::test]
async fn a_slow_body_gets_408() {
    let (a, node) = start("min_body_rate = \"1KiB\"\nbody_rate_grace = \"300ms\"").await;
    let mut stream = TcpStream::connect(node.http()).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let dripping = async {
        let head = b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n";
        writer.write_all(head).await.unwrap();
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if writer.write_all(b"y").await.is_err() {
                return std::future::pending::<()>().await;
            }
        }
    };
    let mut answer = Vec::new();
    tokio::select! {
        _ = reader.read_to_end(&mut answer) => {}
        () = dripping => unreachable!(),
        () = tokio::time::sleep(Duration::from_secs(20)) => panic!("still open"),
    }
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    // A whole body that takes as long is not slow, when it is long enough.
    let whole = "x".repeat(100_000);
    let post = Request::post("/y").body(whole).unwrap();
    assert_eq!(request(node.http(), post).await.status, 200);
    let seen = a.seen();
    assert_eq!(seen.last().unwrap().body.len(), 100_000);
    node.stop().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let (_a, node) = start("header_read_timeout = \"60s\"\nidle_timeout = \"200ms\"").await;
    let mut stream = TcpStream::connect(node.http()).await.unwrap();
    stream
        .write_all(b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let all = closed(&mut stream).await;
    assert!(
        all.starts_with("HTTP/1.1 200 ") && all.ends_with("a /x"),
        "{all}"
    );
    // A body that stops half-way is no reason to wait either.
    let mut stream = TcpStream::connect(node.http()).await.unwrap();
    stream
        .write_all(b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nab")
        .await
        .unwrap();
    assert!(!closed(&mut stream).await.contains(" 200 "));
    node.stop().await;
}

/// Between two requests a connection gives up all but its socket; nobody sees that.
#[tokio::test]
async fn a_connection_that_rests_goes_on() {
    let (a, node) = start("header_read_timeout = \"60s\"\nidle_timeout = \"3s\"").await;
    let mut stream = TcpStream::connect(node.http()).await.unwrap();
    for round in 0..4 {
        // In one piece, and in two of which the first is read before the second comes.
        let head = format!("GET /{round} HTTP/1.1\r\nhost: a\r\n\r\n");
        let (first, second) = head.split_at(if round % 2 == 0 { head.len() } else { 7 });
        stream.write_all(first.as_bytes()).await.unwrap();
        if round > 0 && !second.is_empty() {
            node.until_it_is(RESTING, |now| now == 0).await;
        }
        stream.write_all(second.as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let length = stream.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(&format!("a /{round}")),
            "{answer}"
        );
        node.until_it_is(RESTING, |now| now == 1).await;
    }
    assert_eq!(a.seen().len(), 4);
    assert_eq!(closed(&mut stream).await, "");
    assert_eq!(
        node.metric("zephyr_edge_connections_accepted_total").await,
        1
    );
    node.stop().await;
}

#[tokio::test]
async fn connections_are_bounded() {
    let (_a, node) = start("max_connections = 2").await;
    let mut first = Connection::open(node.http()).await;
    let mut second = Connection::open(node.http()).await;
    assert_eq!(first.get("/1").await.status, 200);
    assert_eq!(second.get("/2").await.status, 200);
    let mut third = TcpStream::connect(node.http()).await.unwrap();
    assert_eq!(closed(&mut third).await, "");
    assert_eq!(
        node.metric("zephyr_edge_connections_turned_away_total")
            .await,
        1
    );
    assert_eq!(first.get("/3").await.status, 200);
    assert_eq!(node.metric("zephyr_edge_connections_open").await, 2);
    node.stop().await;
}

/// Frames of HTTP/2 (RFC 9113, section 4.1) of a client that asks and then takes nothing.
fn greedy_http2() -> Vec<u8> {
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    };
    // SETTINGS_INITIAL_WINDOW_SIZE: 0.
    let settings = frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]);
    // :method GET, :scheme http, :path /x, :authority a; END_STREAM and END_HEADERS.
    let fields = b"\x82\x86\x04\x02/x\x41\x01a";
    let ask = frame(1, 0x5, 1, fields);
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &settings[..], &ask].concat()
}

#[tokio::test]
async fn a_client_of_http2_that_takes_nothing_is_dropped() {
    let (a, node) = start("header_read_timeout = \"60s\"\nidle_timeout = \"400ms\"").await;
    let mut stream = TcpStream::connect(node.http()).await.unwrap();
    stream.write_all(&greedy_http2()).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    // It answers nothing, but it is not silent: a PING each now and then.
    let ping = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    let pinging = async {
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if writer.write_all(&ping).await.is_err() {
                return std::future::pending::<()>().await;
            }
        }
    };
    let mut rest = Vec::new();
    tokio::select! {
        _ = reader.read_to_end(&mut rest) => {}
        () = pinging => unreachable!(),
        () = tokio::time::sleep(Duration::from_secs(20)) => panic!("still open"),
    }
    assert_eq!(a.seen().len(), 1, "the request itself was served");
    node.stop().await;
}

/// Kilobytes that this process has in memory (proc(5), statm).
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4
}

/// As many clients as the issue asks for, and what each may cost in the node: a socket and a future.
const CLIENTS: usize = 10_000;
const EACH: usize = 4 * 1024;
/// Where the child's clients go.
const NODE: &str = "ZEPHYR_TEST_NODE";

#[test]
#[ignore = "the child of a test: clients that connect and do nothing"]
fn child_with_thousands_of_clients() {
    use std::io::Read as _;
    let Ok(node) = std::env::var(NODE) else {
        return;
    };
    let node: std::net::SocketAddr = node.parse().unwrap();
    let connect = |_| std::net::TcpStream::connect(node).unwrap();
    let clients: Vec<_> = (0..CLIENTS).map(connect).collect();
    println!("\nall are connected");
    let closed = clients.into_iter().filter(|mut client| {
        client
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let mut byte = [0];
        match client.read(&mut byte) {
            Ok(read) => read == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    });
    println!("\n{} were closed", closed.count());
}

/// A process can open so many files that 10,000 clients and the node do not fit in one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_clients_that_do_nothing_cost_little_and_are_dropped() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    use std::io::BufRead as _;
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    let files = limit.current.unwrap_or(u64::MAX);
    assert!(
        files > CLIENTS as u64 + 500,
        "`ulimit -Hn` is {files}, which is too low for this"
    );
    let bounds = format!(
        "max_connections = {}\nmax_connections_per_ip = {}",
        CLIENTS + 100,
        CLIENTS + 100
    );
    let (_a, node) = start(&format!("header_read_timeout = \"10s\"\n{bounds}")).await;
    let mut connection = Connection::open(node.http()).await;
    assert_eq!(connection.get("/x").await.status, 200);
    let before = resident();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "limits::child_with_thousands_of_clients",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env(NODE, node.http().to_string())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    let mut line = move |with: &'static str| {
        let found = lines
            .by_ref()
            .map(Result::unwrap)
            .find(|line| line.contains(with));
        found.unwrap_or_else(|| panic!("the child does not say {with:?}"))
    };
    let mut line = tokio::task::spawn_blocking(move || {
        line("all are connected");
        line
    })
    .await
    .unwrap();
    let accepted = "zephyr_edge_connections_accepted_total";
    node.until(accepted, CLIENTS as u64).await;
    let each = (resident().saturating_sub(before)) * 1024 / CLIENTS;
    eprintln!("{CLIENTS} connections that do nothing: {each} bytes each");
    assert!(
        each < EACH,
        "{each} bytes for a connection that does nothing"
    );
    assert_eq!(connection.get("/x").await.status, 200);
    assert_eq!(get(node.http(), "/y").await.status, 200);
    // The child may not lose its output before it ends.
    let read = tokio::task::spawn_blocking(move || (line("were closed"), line));
    let (closed, _line) = read.await.unwrap();
    assert_eq!(closed, format!("{CLIENTS} were closed"));
    assert!(child.wait().unwrap().success());
    let stalled = "zephyr_edge_connections_stalled_total";
    assert_eq!(node.metric(stalled).await, CLIENTS as u64);
    assert_eq!(get(node.http(), "/z").await.status, 200);
    node.stop().await;
}

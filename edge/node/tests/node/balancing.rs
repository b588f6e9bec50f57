//! Upstreams with many servers: which one is asked, and what happens when some are away.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering::SeqCst};

use http::{Request, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{
    Answer, Connection, PATIENCE, RawUpstream, TestDns, TestNode, TestUpstream, answer, get, until,
};

const ROUTE: &str = r#"
[[routes]]
name = "all"
paths = ["/{*rest}"]
upstream = "a"
"#;

fn servers(urls: &[String]) -> String {
    let servers: Vec<_> = urls
        .iter()
        .map(|url| format!("{{ url = \"{url}\" }}"))
        .collect();
    format!("servers = [{}]", servers.join(", "))
}

async fn node(urls: &[String], more: &str) -> TestNode {
    let servers = servers(urls);
    TestNode::start(&format!("[upstreams.a]\n{servers}\n{more}\n{ROUTE}")).await
}

/// An address where nobody listens.
fn gone() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// An upstream that answers with a status that can be changed.
async fn changing(name: &'static str) -> (TestUpstream, Arc<AtomicU16>) {
    let status = Arc::new(AtomicU16::new(200));
    let now = Arc::clone(&status);
    let upstream = TestUpstream::start(move |_| answer(now.load(SeqCst), name)).await;
    (upstream, status)
}

async fn send(node: &TestNode, method: &str, body: &str) -> Answer {
    let request = Request::builder().method(method).uri("/x");
    crate::support::request(node.http(), request.body(body.to_owned()).unwrap()).await
}

async fn tally(node: &TestNode, requests: usize) -> HashMap<String, usize> {
    let mut connection = Connection::open(node.http()).await;
    let mut tally = HashMap::new();
    for _ in 0..requests {
        let answer = connection.get("/x").await;
        *tally.entry(answer.body).or_default() += 1;
    }
    tally
}

#[tokio::test]
async fn weights_in_turn() {
    let (a, b) = (
        TestUpstream::named("a").await,
        TestUpstream::named("b").await,
    );
    let config = format!(
        "[upstreams.a]\npolicy = \"round_robin\"\nservers = [{{ url = \"{}\", weight = 3 }}, {{ url = \"{}\" }}]\n{ROUTE}",
        a.url(),
        b.url()
    );
    let node = TestNode::start(&config).await;
    let tally = tally(&node, 40).await;
    assert_eq!((tally["a /x"], tally["b /x"]), (30, 10));
    node.stop().await;
}

#[tokio::test]
async fn a_hash_ring_keeps_a_key_with_its_server() {
    let names = ["a", "b", "c"];
    let mut upstreams = Vec::new();
    for name in names {
        upstreams.push(TestUpstream::start(move |_| answer(200, name)).await);
    }
    let urls: Vec<_> = upstreams.iter().map(TestUpstream::url).collect();
    let node = node(&urls, "policy = \"ring_hash\"\nhash_by = \"header:x-key\"").await;
    let mut connection = Connection::open(node.http()).await;
    let mut with = HashMap::new();
    for turn in 0..3 {
        for key in 0..30 {
            let get = Request::get(format!("/{turn}")).header("x-key", key);
            let answer = connection
                .send(get.body(String::new()).unwrap())
                .await
                .unwrap();
            let first = with.entry(key).or_insert_with(|| answer.body.clone());
            assert_eq!(*first, answer.body);
        }
    }
    for name in names {
        assert!(
            with.values().any(|value| value == name),
            "{name} has no key"
        );
    }
    node.stop().await;
}

#[tokio::test]
async fn a_server_that_is_away_costs_no_request_whatever_the_method() {
    let a = TestUpstream::named("a").await;
    let node = node(&[gone(), a.url()], "policy = \"round_robin\"").await;
    for _ in 0..5 {
        assert_eq!(send(&node, "POST", "body").await.body, "a /x");
        assert_eq!(send(&node, "GET", "").await.body, "a /x");
    }
    assert!(
        a.seen()
            .iter()
            .all(|seen| seen.method != "POST" || seen.body == "body")
    );
    node.stop().await;
}

#[tokio::test]
async fn when_all_are_away_it_is_said_and_nobody_waits() {
    let node = node(&[gone(), gone()], "").await;
    let answer = node.get("/x").await;
    assert_eq!(answer.status, 502);
    let said = answer.header("proxy-status");
    assert!(
        said.starts_with("Zephyr; error=connection_refused"),
        "{said}"
    );
    node.stop().await;
}

#[tokio::test]
async fn what_broke_is_sent_to_another_server_only_if_it_may_be_repeated() {
    let breaks = RawUpstream::start(|_, mut stream| async move {
        let _ = stream.read(&mut [0; 1024]).await;
    })
    .await;
    let a = TestUpstream::named("a").await;
    let config = "policy = \"round_robin\"\noutlier = { max_ejected_percent = 0 }";
    let node = node(&[breaks.url(), a.url()], config).await;
    for method in ["GET", "PUT", "DELETE", "HEAD"] {
        for _ in 0..2 {
            assert_eq!(send(&node, method, "").await.status, 200, "{method}");
        }
    }
    let mut statuses = [0; 2].map(|_| 0_u16);
    for status in &mut statuses {
        *status = send(&node, "POST", "body").await.status.as_u16();
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 502]);
    node.stop().await;
}

#[tokio::test]
async fn answers_of_a_gateway_are_tried_elsewhere_when_asked_for() {
    let (bad, status) = changing("bad").await;
    let good = TestUpstream::named("good").await;
    status.store(503, SeqCst);
    let urls = [bad.url(), good.url()];
    let policy = "policy = \"round_robin\"\noutlier = { max_ejected_percent = 0 }";
    let plain = node(&urls, policy).await;
    assert_eq!(tally(&plain, 10).await["bad"], 5);
    plain.stop().await;
    let retried = node(&urls, &format!("{policy}\nretry_on = [\"5xx\"]")).await;
    assert_eq!(tally(&retried, 10).await["good /x"], 10);
    // When the other one fails, too, the client hears of it.
    let both = node(
        &[bad.url(), bad.url()],
        &format!("{policy}\nretry_on = [\"5xx\"]"),
    )
    .await;
    let answer = both.get("/x").await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (503, "bad"));
    both.stop().await;
    retried.stop().await;
}

#[tokio::test]
async fn retries_have_a_budget() {
    let (bad, status) = changing("bad").await;
    status.store(503, SeqCst);
    let budget = "retry_on = [\"5xx\"]\nretry_ratio = 0.0\nretry_min_per_second = 1\noutlier = { max_ejected_percent = 0 }";
    let node = node(&[bad.url(), bad.url()], budget).await;
    tally(&node, 30).await;
    // A window of ten seconds, and perhaps the beginning of the next.
    let retries = node
        .metric("zephyr_edge_upstream_retries_total{upstream=\"a\"}")
        .await;
    assert!((10..=20).contains(&retries), "{retries}");
    assert!(
        node.metric("zephyr_edge_upstream_over_budget_total{upstream=\"a\"}")
            .await
            >= 10
    );
    node.stop().await;
}

#[tokio::test]
async fn a_server_that_fails_is_left_out() {
    let (bad, status) = changing("bad").await;
    let good = TestUpstream::named("good").await;
    status.store(502, SeqCst);
    let node = node(
        &[bad.url(), good.url()],
        "policy = \"round_robin\"\noutlier = { consecutive_failures = 3, base_ejection = \"3s\" }\nslow_start = \"0s\"",
    )
    .await;
    assert_eq!(tally(&node, 20).await["bad"], 3);
    let address = bad.url().replace("http://", "");
    let metric =
        |what: &str| format!("zephyr_edge_server_{what}{{upstream=\"a\",server=\"{address}\"}}");
    assert_eq!(node.metric(&metric("ejections_total")).await, 1);
    status.store(200, SeqCst);
    until("the server's return", async || {
        tally(&node, 4).await.contains_key("bad")
    })
    .await;
    assert_eq!(node.metric(&metric("usable")).await, 1);
    node.stop().await;
}

#[tokio::test]
async fn checks_take_a_server_out_and_bring_it_back() {
    let (a, b) = (
        TestUpstream::named("a").await,
        TestUpstream::start({
            |seen| match &*seen.target {
                "/healthz" => answer(204, ""),
                _ => answer(200, "b"),
            }
        })
        .await,
    );
    let sick = Arc::new(AtomicBool::new(false));
    let now = Arc::clone(&sick);
    let c = TestUpstream::start(move |seen| match (&*seen.target, now.load(SeqCst)) {
        ("/healthz", true) => answer(500, ""),
        _ => answer(200, "c"),
    })
    .await;
    let health = "policy = \"round_robin\"\nslow_start = \"0s\"\nhealth = { kind = \"http\", path = \"/healthz\", interval = \"20ms\", healthy_threshold = 2, unhealthy_threshold = 2, expect = [200, 204] }";
    let node = node(&[a.url(), b.url(), c.url()], health).await;
    assert_eq!(tally(&node, 9).await["c"], 3);
    sick.store(true, SeqCst);
    until("the sick server's leave", async || {
        !tally(&node, 9).await.contains_key("c")
    })
    .await;
    sick.store(false, SeqCst);
    until("its return", async || {
        tally(&node, 9).await.contains_key("c")
    })
    .await;
    node.stop().await;
}

#[tokio::test]
async fn checks_by_connection_and_all_servers_down() {
    let node = node(
        &[gone(), gone()],
        "health = { kind = \"tcp\", interval = \"20ms\", unhealthy_threshold = 1 }",
    )
    .await;
    until("the verdict", async || {
        let metrics = get(node.admin(), "/-/metrics").await.body;
        let lines = metrics
            .lines()
            .filter(|line| line.starts_with("zephyr_edge_server_usable"));
        lines.filter(|line| line.ends_with(" 0")).count() == 2
    })
    .await;
    // When none is healthy all are asked: a check may be wrong.
    let answer = node.get("/x").await;
    assert!(
        answer.header("proxy-status").contains("connection_refused"),
        "{answer:?}"
    );
    node.stop().await;
}

#[tokio::test]
async fn a_breaker_opens_and_closes_and_stale_answers_are_given_meanwhile() {
    let status = Arc::new(AtomicU16::new(200));
    let now = Arc::clone(&status);
    let upstream = TestUpstream::start(move |_| {
        let mut answer: Response<_> = answer(now.load(SeqCst), "fresh");
        let value = "max-age=0, stale-if-error=100".parse().unwrap();
        answer.headers_mut().insert("cache-control", value);
        answer
    })
    .await;
    let config = format!(
        "[upstreams.a]\nurl = \"{}\"\nbreaker = {{ min_requests = 5, open_for = \"300ms\", probes = 1 }}\n{ROUTE}cache = true\n",
        upstream.url()
    );
    let node = TestNode::start(&config).await;
    assert_eq!(node.get("/kept").await.body, "fresh");
    status.store(502, SeqCst);
    for turn in 0..10 {
        node.get(&format!("/{turn}")).await;
    }
    let asked = upstream.seen().len();
    let refused = node.get("/new").await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("retry-after"), "1");
    let said = refused.header("proxy-status");
    assert!(
        said.starts_with("Zephyr; error=destination_unavailable"),
        "{said}"
    );
    // What is stored is given in its place.
    let kept = node.get("/kept").await;
    assert_eq!((kept.status.as_u16(), &*kept.body), (200, "fresh"));
    assert_eq!(
        upstream.seen().len(),
        asked,
        "an open breaker lets nothing through"
    );
    status.store(200, SeqCst);
    until("the end of it", async || {
        node.get("/again").await.status == 200
    })
    .await;
    assert_eq!(
        node.metric("zephyr_edge_upstream_breaker{upstream=\"a\"}")
            .await,
        0
    );
    node.stop().await;
}

#[tokio::test]
async fn a_slow_server_is_hedged_for_safe_methods() {
    let slow = RawUpstream::start(|_, mut stream| async move {
        let _ = stream.read(&mut [0; 1024]).await;
        std::future::pending::<()>().await;
    })
    .await;
    let fast = TestUpstream::named("fast").await;
    let config = "policy = \"round_robin\"\nhedge_after = \"30ms\"\nfirst_byte_timeout = \"500ms\"\noutlier = { max_ejected_percent = 0 }";
    let node = node(&[slow.url(), fast.url()], config).await;
    for _ in 0..6 {
        assert_eq!(node.get("/x").await.body, "fast /x");
    }
    assert!(
        node.metric("zephyr_edge_upstream_hedges_total{upstream=\"a\"}")
            .await
            >= 2
    );
    let mut late = 0;
    for _ in 0..2 {
        late += u32::from(send(&node, "DELETE", "").await.status == 504);
    }
    assert_eq!(late, 1, "what is not safe is not hedged");
    node.stop().await;
}

#[tokio::test]
async fn names_are_resolved_again_and_the_last_good_addresses_are_kept() {
    let dns = TestDns::start().await;
    // The same port on two addresses of the loopback network.
    let first = tokio::net::TcpListener::bind("127.0.0.2:0").await.unwrap();
    let port = first.local_addr().unwrap().port();
    let second = tokio::net::TcpListener::bind(("127.0.0.3", port))
        .await
        .unwrap();
    for (listener, name) in [(first, "first"), (second, "second")] {
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let _ = stream.read(&mut [0; 4096]).await;
                    let length = name.len();
                    let text = format!(
                        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{name}"
                    );
                    let _ = stream.write_all(text.as_bytes()).await;
                });
            }
        });
    }
    dns.set("a.test", &[Ipv4Addr::new(127, 0, 0, 2)]);
    let config = format!(
        "{}\n[upstreams.a]\nurl = \"http://a.test:{port}\"\n[upstreams.b]\nurl = \"http://b.test:{port}\"\n{ROUTE}\n[[routes]]\nname = \"b\"\nhosts = [\"b\"]\npaths = [\"/{{*rest}}\"]\nupstream = \"b\"\n",
        dns.config()
    );
    let node = TestNode::start(&config).await;
    assert_eq!(node.get("/x").await.body, "first");
    // A name that does not exist, and is there a moment later.
    let b = || {
        Request::get("/x")
            .header("host", "b")
            .body(String::new())
            .unwrap()
    };
    let unknown = crate::support::request(node.http(), b()).await;
    assert_eq!(unknown.status, 502);
    assert!(
        unknown
            .header("proxy-status")
            .starts_with("Zephyr; error=dns_error")
    );
    dns.set("b.test", &[Ipv4Addr::new(127, 0, 0, 3)]);
    until("the new name", async || {
        crate::support::request(node.http(), b()).await.body == "second"
    })
    .await;
    // An address is replaced.
    dns.set("a.test", &[Ipv4Addr::new(127, 0, 0, 3)]);
    until("the new address", async || {
        node.get("/x").await.body == "second"
    })
    .await;
    // An address that does not answer beside one that does.
    dns.set(
        "a.test",
        &[Ipv4Addr::new(127, 0, 0, 4), Ipv4Addr::new(127, 0, 0, 2)],
    );
    until("two addresses", async || {
        node.get("/x").await.body == "first"
    })
    .await;
    for _ in 0..10 {
        assert_eq!(node.get("/x").await.body, "first");
    }
    // The name server says nothing more.
    dns.silence(true);
    dns.asked_again().await;
    assert_eq!(node.get("/x").await.body, "first");
    node.stop().await;
}

/// A stream that the server refused was not looked at: it is sent again, whatever the method (RFC
/// 9113, section 8.7). One that the server broke was.
#[tokio::test]
async fn streams_that_were_refused_are_sent_again() {
    for (reason, status) in [
        (h2::Reason::REFUSED_STREAM, 200),
        (h2::Reason::INTERNAL_ERROR, 502),
    ] {
        let streams = Arc::new(AtomicU16::new(0));
        let seen = Arc::clone(&streams);
        let upstream = RawUpstream::start(move |_, stream| {
            let seen = Arc::clone(&seen);
            async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    if seen.fetch_add(1, SeqCst) == 0 {
                        respond.send_reset(reason);
                    } else {
                        respond.send_response(Response::new(()), true).unwrap();
                    }
                }
            }
        })
        .await;
        let config = format!(
            "[upstreams.a]\nurl = \"{}\"\nhttp2 = true\n{ROUTE}",
            upstream.url()
        );
        let node = TestNode::start(&config).await;
        assert_eq!(send(&node, "POST", "").await.status, status, "{reason:?}");
        assert_eq!(streams.load(SeqCst), if status == 200 { 2 } else { 1 });
        node.stop().await;
    }
}

/// A connection that the server winds up (GOAWAY) is not used for further requests.
#[tokio::test]
async fn a_connection_that_goes_away_is_replaced() {
    let upstream = RawUpstream::start(|_, stream| async move {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            respond.send_response(Response::new(()), true).unwrap();
            connection.graceful_shutdown();
        }
    })
    .await;
    let config = format!(
        "[upstreams.a]\nurl = \"{}\"\nhttp2 = true\n{ROUTE}",
        upstream.url()
    );
    let node = TestNode::start(&config).await;
    let mut connection = Connection::open(node.http()).await;
    for _ in 0..5 {
        let post = Request::post("/x").body(String::new()).unwrap();
        assert_eq!(connection.send(post).await.unwrap().status, 200);
    }
    assert!(upstream.connections() > 1);
    node.stop().await;
}

#[tokio::test]
async fn streams_of_a_connection_are_bounded_by_what_the_server_says() {
    let upstream = RawUpstream::start(|_, stream| async move {
        let mut builder = h2::server::Builder::new();
        builder.max_concurrent_streams(2);
        let mut connection = builder.handshake::<_, bytes::Bytes>(stream).await.unwrap();
        let mut waiting = Vec::new();
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            let stream = respond.send_response(Response::new(()), false).unwrap();
            waiting.push(stream);
        }
    })
    .await;
    let config = format!(
        "[upstreams.a]\nurl = \"{}\"\nhttp2 = true\n{ROUTE}",
        upstream.url()
    );
    let node = TestNode::start(&config).await;
    let mut open = Vec::new();
    for _ in 0..6 {
        let mut stream = tokio::net::TcpStream::connect(node.http()).await.unwrap();
        stream
            .write_all(b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n")
            .await
            .unwrap();
        let mut start = [0; 12];
        let read = tokio::time::timeout(PATIENCE, stream.read_exact(&mut start)).await;
        read.unwrap().unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");
        open.push(stream);
    }
    assert!(upstream.connections() >= 3, "{}", upstream.connections());
    drop(open);
    node.stop().await;
}

/// What the node refuses itself says so, too (RFC 9209).
#[tokio::test]
async fn refusals_have_a_proxy_status() {
    let a = TestUpstream::named("a").await;
    let config = format!(
        "[upstreams.a]\nurl = \"{}\"\n[[routes]]\nname = \"a\"\npaths = [\"/a\"]\nupstream = \"a\"\n",
        a.url()
    );
    let node = TestNode::start(&config).await;
    let missing = node.get("/b").await;
    assert_eq!(
        missing.header("proxy-status"),
        "Zephyr; error=destination_not_found; details=\"There is nothing here.\""
    );
    let path = node.get("/a/../b").await;
    assert!(
        path.header("proxy-status")
            .starts_with("Zephyr; error=http_request_error"),
        "{path:?}"
    );
    assert_eq!(node.get("/a").await.header("proxy-status"), "");
    node.stop().await;
}

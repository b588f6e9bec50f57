//! The control stream: a real HTTP server that says line by line what the origin would.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use zephyr_edge::Secrets;

use crate::support::{TestNode, TestUpstream};

type Lines = mpsc::UnboundedSender<String>;

/// The origin's control service as far as a node sees it.
struct Control {
    address: SocketAddr,
    /// Streams as they are opened: what was asked for, and where to write lines.
    opened: mpsc::UnboundedReceiver<(String, Lines)>,
    heartbeats: mpsc::UnboundedReceiver<serde_json::Value>,
}

type Out = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

fn empty(status: StatusCode) -> Response<Out> {
    let body = http_body_util::Empty::new().boxed_unsync();
    Response::builder().status(status).body(body).unwrap()
}

impl Control {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (opens, opened) = mpsc::unbounded_channel();
        let (beats, heartbeats) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (opens, beats) = (opens.clone(), beats.clone());
                let service =
                    service_fn(move |request| answer(request, opens.clone(), beats.clone()));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self {
            address,
            opened,
            heartbeats,
        }
    }

    /// The next stream that the node opens.
    async fn stream(&mut self) -> (String, Lines) {
        let opened = tokio::time::timeout(Duration::from_secs(20), self.opened.recv());
        opened
            .await
            .expect("the node opens a stream in time")
            .unwrap()
    }
}

async fn answer(
    request: Request<Incoming>,
    opens: mpsc::UnboundedSender<(String, Lines)>,
    beats: mpsc::UnboundedSender<serde_json::Value>,
) -> Result<Response<Out>, Infallible> {
    if request
        .headers()
        .get("authorization")
        .is_none_or(|token| token != "Bearer token")
    {
        return Ok(empty(StatusCode::UNAUTHORIZED));
    }
    if request.method() == Method::POST {
        assert_eq!(request.uri(), "/control/heartbeat");
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let _ = beats.send(serde_json::from_slice(&body).unwrap());
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    let (lines, receiver) = mpsc::unbounded_channel::<String>();
    let _ = opens.send((request.uri().to_string(), lines));
    let body = futures_util::stream::unfold(receiver, async |mut receiver| {
        let line = receiver.recv().await?;
        Some((
            Ok::<_, Infallible>(Frame::data(Bytes::from(line + "\n"))),
            receiver,
        ))
    });
    Ok(Response::new(StreamBody::new(body).boxed_unsync()))
}

/// A node that joins, with a filter that shows what it reads from the site's keys.
fn config(control: SocketAddr, upstream: &TestUpstream) -> String {
    format!(
        r#"
        [control]
        url = "http://{control}"
        heartbeat = "50ms"
        [upstreams.a]
        url = "{}"
        [components.auth]
        path = "$components/auth.wasm"
        kind = "filter"
        deadline = "10s"
        max_instances = 2
        [[routes]]
        name = "all"
        paths = ["/{{*rest}}"]
        upstream = "a"
        cache = true
        "#,
        upstream.url()
    )
}

fn secrets() -> Secrets {
    Secrets {
        control_token: Some(SecretString::from("token")),
        ..Secrets::default()
    }
}

async fn seq(node: &TestNode) -> u64 {
    let config = crate::support::get(node.admin(), "/-/config").await;
    config.json()["seq"].as_u64().unwrap()
}

/// Waits until the node has taken in a change.
async fn reaches(node: &TestNode, wanted: u64) {
    let waiting = async {
        while seq(node).await < wanted {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .expect("the change arrives");
}

/// An upstream whose answers are stored and tell each other apart.
async fn counting() -> TestUpstream {
    let count = Arc::new(Mutex::new(0));
    TestUpstream::start(move |_| {
        let mut count = count.lock().unwrap();
        *count += 1;
        Response::builder()
            .header("cache-control", "max-age=60")
            .header("surrogate-key", "listings other")
            .body(http_body_util::Full::new(Bytes::from(format!(
                "answer {count}"
            ))))
            .unwrap()
    })
    .await
}

#[tokio::test]
async fn purges_arrive_and_the_stream_goes_on_after_a_break() {
    let (mut control, a) = (Control::start().await, counting().await);
    let node = TestNode::try_start(&config(control.address, &a), secrets())
        .await
        .unwrap();
    let (target, lines) = control.stream().await;
    assert!(target.starts_with("/control/changes?node="), "{target}");
    assert!(!target.contains("after"), "{target}");
    lines
        .send(r#"{"seq":42,"kind":"hello","kv":{},"reset":false}"#.into())
        .unwrap();
    reaches(&node, 42).await;

    assert_eq!(node.get("/x").await.body, "answer 1");
    assert_eq!(node.get("/x").await.body, "answer 1");
    lines
        .send(r#"{"seq":43,"kind":"purge","purge":{"keys":["listings"]}}"#.into())
        .unwrap();
    reaches(&node, 43).await;
    assert_eq!(node.get("/x").await.body, "answer 2");

    // The stream breaks; the node asks for what came after the last change it has.
    drop(lines);
    let (target, lines) = control.stream().await;
    assert!(target.ends_with("&after=43"), "{target}");
    lines
        .send(r#"{"seq":43,"kind":"hello","kv":{},"reset":false}"#.into())
        .unwrap();
    let host = node.http();
    let url = format!(r#"{{"seq":44,"kind":"purge","purge":{{"url":"http://{host}/x"}}}}"#);
    lines.send(url).unwrap();
    reaches(&node, 44).await;
    assert_eq!(node.get("/x").await.body, "answer 3");
    lines
        .send(r#"{"seq":45,"kind":"purge","purge":{"all":true}}"#.into())
        .unwrap();
    reaches(&node, 45).await;
    assert_eq!(node.get("/x").await.body, "answer 4");

    // Too far behind: everything may be out of date.
    drop(lines);
    let (_, lines) = control.stream().await;
    lines
        .send(r#"{"seq":90,"kind":"hello","kv":{},"reset":true}"#.into())
        .unwrap();
    reaches(&node, 90).await;
    assert_eq!(node.get("/x").await.body, "answer 5");
    node.stop().await;
}

#[tokio::test]
async fn the_state_survives_a_restart_without_the_origin() {
    let (mut control, a) = (Control::start().await, counting().await);
    let config = config(control.address, &a);
    let node = TestNode::try_start(&config, secrets()).await.unwrap();
    let (_, lines) = control.stream().await;
    let hello = r#"{"seq":7,"kind":"hello","kv":{"site/a":"1","site/b":"2"},"reset":false}"#;
    lines.send(hello.into()).unwrap();
    lines
        .send(r#"{"seq":8,"kind":"kv","key":"site/a","value":"new"}"#.into())
        .unwrap();
    lines
        .send(r#"{"seq":9,"kind":"kv","key":"site/b","value":null}"#.into())
        .unwrap();
    reaches(&node, 9).await;
    let data_dir = node.stop().await;

    let kept = std::fs::read_to_string(data_dir.path().join("control.json")).unwrap();
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(
        kept,
        serde_json::json!({ "seq": 9, "kv": { "site/a": "new" } })
    );
    // Nobody listens where the origin was.
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let away = config.replace(&control.address.to_string(), &gone.to_string());
    let node = TestNode::start_in(data_dir, &away, secrets())
        .await
        .unwrap();
    assert_eq!(seq(&node).await, 9);
    assert_eq!(node.get("/x").await.status, 200);
    let data_dir = node.stop().await;

    let node = TestNode::start_in(data_dir, &config, secrets())
        .await
        .unwrap();
    let (target, _lines) = control.stream().await;
    assert!(target.ends_with("&after=9"), "{target}");
    node.stop().await;
}

#[tokio::test]
async fn a_node_reports_itself() {
    let (mut control, a) = (Control::start().await, counting().await);
    let node = TestNode::try_start(&config(control.address, &a), secrets())
        .await
        .unwrap();
    assert_eq!(node.get("/x").await.status, 200);
    let beat = loop {
        let beat = tokio::time::timeout(Duration::from_secs(20), control.heartbeats.recv());
        let beat = beat.await.expect("a heartbeat in time").unwrap();
        if beat["counters"]["requests"] == 1 {
            break beat;
        }
    };
    assert_eq!(beat["http_addr"], node.http().to_string());
    assert_eq!(beat["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        beat["routes"],
        serde_json::json!([{
            "name": "all", "hosts": ["*"], "paths": ["/{*rest}"], "upstream": "a", "stages": [],
            "cache": true
        }])
    );
    assert_eq!(beat["components"][0]["name"], "auth");
    assert_eq!(beat["components"][0]["sha256"].as_str().unwrap().len(), 64);
    for counter in [
        "errors_5xx",
        "traps",
        "cache_hits",
        "cache_misses",
        "cache_entries",
        "cache_bytes",
    ] {
        assert!(beat["counters"][counter].is_u64(), "{counter}");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_stream_that_says_nonsense_is_opened_again() {
    let (mut control, a) = (Control::start().await, counting().await);
    let node = TestNode::try_start(&config(control.address, &a), secrets())
        .await
        .unwrap();
    for nonsense in [
        "nonsense",
        r#"{"seq":1,"kind":"ping"}"#,
        r#"{"seq":1,"kind":"dance"}"#,
    ] {
        let (_, lines) = control.stream().await;
        let _ = lines.send(nonsense.into());
        // Kept open: it is the node that must leave.
        lines.closed().await;
    }
    let (_, lines) = control.stream().await;
    lines
        .send(r#"{"seq":3,"kind":"hello","kv":{},"reset":false}"#.into())
        .unwrap();
    reaches(&node, 3).await;
    node.stop().await;
}

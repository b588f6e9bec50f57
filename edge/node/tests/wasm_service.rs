//! Services in the real runtime: answers, bodies that stream, outgoing requests, misbehaviour.
#![expect(
    clippy::unwrap_used,
    reason = "a test panics when what it needs is not there"
)]

#[path = "wasm_support/guests.rs"]
mod guests;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use guests::{Nowhere, component, limits, runtime};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use tokio::sync::mpsc;
use zephyr_edge::body::Body;
use zephyr_edge::error::{BoxError, ProxyError, Source};
use zephyr_edge::wasm::{Limits, Outbound, OutboundFuture, ServiceComponent, StageError};

fn hello(limits: Limits) -> Arc<ServiceComponent> {
    hello_with(limits, Arc::new(Nowhere))
}

/// The guest `hello` with a deadline that a busy machine keeps, unless the test is about deadlines.
fn hello_with(limits: Limits, outbound: Arc<dyn Outbound>) -> Arc<ServiceComponent> {
    let limits = Limits {
        memory: 32 << 20,
        ..limits
    };
    runtime()
        .load_service("hello", &component("hello"), limits, outbound)
        .unwrap()
}

fn get(path: &str) -> http::Request<Body> {
    http::Request::builder()
        .uri(path)
        .header("host", "example.com")
        .body(Body::Empty)
        .unwrap()
}

async fn text(response: http::Response<Body>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn hello_says_hello_and_its_instance_is_used_again() {
    let service = hello(limits());
    let first = service.counters().snapshot().instantiations;
    for _ in 0..5 {
        let response = service.call(get("/")).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/plain");
        assert_eq!(text(response).await, "hello");
    }
    let counters = service.counters().snapshot();
    assert_eq!(counters.calls, 5);
    // A call that comes while the instance still tidies up after the last one makes a second one.
    assert!(counters.instantiations - first <= 2, "{counters:?}");
}

#[tokio::test]
async fn an_instance_is_replaced_when_its_time_has_come() {
    let service = hello(Limits {
        max_reuse: 2,
        ..limits()
    });
    let first = service.counters().snapshot().instantiations;
    for _ in 0..4 {
        assert_eq!(text(service.call(get("/")).await.unwrap()).await, "hello");
    }
    assert!(service.counters().snapshot().instantiations - first >= 2);
}

#[tokio::test]
async fn bodies_stream_in_and_out() {
    let service = hello(limits());
    let (sender, mut receiver) = mpsc::channel::<Bytes>(1);
    let frames = futures_util::stream::poll_fn(move |cx| {
        receiver
            .poll_recv(cx)
            .map(|bytes| bytes.map(|bytes| Ok::<_, BoxError>(Frame::data(bytes))))
    });
    let request = get("/echo").map(|_| Body::stream(StreamBody::new(frames)));
    let mut answer = service.call(request).await.unwrap().into_body();
    // Each part comes back before the next one is sent: nothing waits for the whole.
    for part in ["one", "two", "three"] {
        sender.send(part.into()).await.unwrap();
        let mut got = Vec::new();
        while got.len() < part.len() {
            let frame = answer.frame().await.unwrap().unwrap();
            got.extend_from_slice(frame.data_ref().unwrap());
        }
        assert_eq!(got, part.as_bytes());
    }
    drop(sender);
    assert!(answer.frame().await.is_none());
}

#[tokio::test]
async fn a_service_has_no_environment_and_no_folders() {
    assert_eq!(
        text(hello(limits()).call(get("/environment")).await.unwrap()).await,
        "0 0 0"
    );
}

/// Answers with what it was asked for; `down` is down.
struct Upstreams;

impl Outbound for Upstreams {
    fn allows(&self, upstream: &str) -> bool {
        ["origin", "down"].contains(&upstream)
    }

    fn send(&self, request: http::Request<Body>) -> OutboundFuture {
        Box::pin(async move {
            if request
                .uri()
                .authority()
                .is_some_and(|authority| authority == "down")
            {
                let gone = http::StatusCode::GATEWAY_TIMEOUT;
                return Err(ProxyError::new(Source::Upstream, gone, "no answer"));
            }
            let body = format!("{} {}", request.method(), request.uri());
            Ok(http::Response::builder()
                .status(201)
                .body(Body::full(body))
                .unwrap())
        })
    }
}

#[tokio::test]
async fn outgoing_requests_go_to_the_named_upstreams_only() {
    let service = hello_with(limits(), Arc::new(Upstreams));
    let fetch = async |target: &str| {
        let response = service
            .call(get(&format!("/fetch/{target}")))
            .await
            .unwrap();
        format!("{} {}", response.status().as_u16(), text(response).await)
    };
    assert_eq!(fetch("origin/a?b=c").await, "201 GET http://origin/a?b=c");
    assert_eq!(
        fetch("elsewhere/a").await,
        "502 ErrorCode::HttpRequestDenied"
    );
    assert_eq!(
        fetch("127.0.0.1:80/a").await,
        "502 ErrorCode::HttpRequestDenied"
    );
    assert_eq!(
        fetch("origin:81/a").await,
        "502 ErrorCode::HttpRequestDenied"
    );
    assert_eq!(fetch("down/a").await, "502 ErrorCode::HttpResponseTimeout");
}

#[tokio::test]
async fn traps_and_memory_cost_their_request_only() {
    let service = hello(limits());
    let error = service.call(get("/trap")).await.unwrap_err();
    assert!(matches!(error, StageError::Trap(_)), "{error:?}");
    let error = service.call(get("/grow")).await.unwrap_err();
    assert!(matches!(error, StageError::OutOfMemory(_)), "{error:?}");
    assert_eq!(text(service.call(get("/")).await.unwrap()).await, "hello");
    let counters = service.counters().snapshot();
    assert_eq!((counters.traps, counters.out_of_memory), (1, 1));
}

#[tokio::test]
async fn no_head_within_the_deadline_is_cut_off() {
    let service = hello(Limits {
        deadline: Duration::from_millis(500),
        ..limits()
    });
    for path in ["/spin", "/wait"] {
        let error = service.call(get(path)).await.unwrap_err();
        assert!(
            matches!(error, StageError::Deadline(_)),
            "{path}: {error:?}"
        );
    }
    assert_eq!(service.counters().snapshot().deadlines, 2);
    assert_eq!(text(service.call(get("/")).await.unwrap()).await, "hello");
}

#[tokio::test]
async fn a_trap_in_the_middle_of_an_answer_breaks_it_off() {
    let service = hello(limits());
    let mut body = service.call(get("/late-trap")).await.unwrap().into_body();
    let mut got = Vec::new();
    let error = loop {
        match body.frame().await {
            Some(Ok(frame)) => got.extend_from_slice(frame.data_ref().unwrap()),
            Some(Err(error)) => break error,
            None => panic!("an answer that broke off looks complete: {got:?}"),
        }
    };
    assert_eq!(got, b"some", "{error}");
    assert_eq!(service.counters().snapshot().traps, 1);
    assert_eq!(text(service.call(get("/")).await.unwrap()).await, "hello");
}

#[tokio::test]
async fn too_many_requests_at_once_are_saturation() {
    let deadline = Duration::from_millis(500);
    let service = hello(Limits {
        max_instances: 1,
        deadline,
        ..limits()
    });
    let (sender, receiver) = mpsc::channel::<Bytes>(1);
    let mut receiver = receiver;
    let frames = futures_util::stream::poll_fn(move |cx| {
        receiver
            .poll_recv(cx)
            .map(|bytes| bytes.map(|bytes| Ok::<_, BoxError>(Frame::data(bytes))))
    });
    // An answer that is not read to its end keeps its instance.
    let request = get("/echo").map(|_| Body::stream(StreamBody::new(frames)));
    let busy = service.call(request).await.unwrap();
    let error = service.call(get("/")).await.unwrap_err();
    assert!(matches!(error, StageError::Saturated), "{error:?}");
    assert_eq!(service.counters().snapshot().saturated, 1);
    drop(sender);
    assert_eq!(text(busy).await, "");
    assert_eq!(text(service.call(get("/")).await.unwrap()).await, "hello");
}

#[tokio::test]
async fn many_at_once_each_have_an_instance() {
    let service = hello(limits());
    let calls = (0..8).map(|_| async { text(service.call(get("/")).await.unwrap()).await });
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer, "hello");
    }
    assert!(service.counters().snapshot().live_instances <= 8);
}

#[tokio::test]
async fn a_proxy_of_wasi_http_0_2_runs_unmodified() {
    let bytes = component("hello-p2");
    let limits = Limits {
        memory: 32 << 20,
        ..limits()
    };
    let service = runtime()
        .load_service("p2", &bytes, limits, Arc::new(Upstreams))
        .unwrap();
    let ask = async |path: &str| text(service.call(get(path)).await.unwrap()).await;
    assert_eq!(ask("/").await, "hello");
    assert_eq!(ask("/fetch/origin").await, "201");
    assert_eq!(
        ask("/fetch/elsewhere").await,
        "ErrorCode::HttpRequestDenied"
    );
    let request = get("/echo").map(|_| Body::full("a body"));
    assert_eq!(text(service.call(request).await.unwrap()).await, "a body");
    for path in ["/trap", "/silent"] {
        let error = service.call(get(path)).await.unwrap_err();
        assert!(matches!(error, StageError::Trap(_)), "{path}: {error:?}");
    }
    assert_eq!(ask("/").await, "hello");
}

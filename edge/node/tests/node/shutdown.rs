//! A node stops without breaking what is on its way.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::support::{RawUpstream, TestNode, get};

fn config(url: &str, grace: &str) -> String {
    format!(
        r#"
        shutdown_grace = "{grace}"
        [listen]
        http = "127.0.0.1:0"
        [log]
        access = false
        [upstreams.a]
        url = "{url}"
        [[routes]]
        name = "all"
        paths = ["/{{*rest}}"]
        upstream = "a"
        "#
    )
}

struct Slow {
    upstream: RawUpstream,
    arrived: Arc<Notify>,
    go: Arc<Notify>,
}

async fn slow() -> Slow {
    let (arrived, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tells, waits) = (Arc::clone(&arrived), Arc::clone(&go));
    let upstream = RawUpstream::start(move |_, mut stream: TcpStream| {
        let (arrived, go) = (Arc::clone(&tells), Arc::clone(&waits));
        async move {
            let _ = stream.read(&mut [0; 4096]).await;
            arrived.notify_one();
            go.notified().await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                .await;
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
async fn open_requests_are_answered_and_new_connections_refused() {
    let slow = slow().await;
    let node = TestNode::start(&config(&slow.upstream.url(), "20s")).await;
    let address = node.http();
    let mut idle = TcpStream::connect(address).await.unwrap();
    let open = tokio::spawn(async move { get(address, "/x").await });
    slow.arrived.notified().await;
    let stopping = tokio::spawn(node.stop());
    // The idle connection is closed at once; that also tells that the stop has begun.
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap_or(0), 0);
    slow.go.notify_one();
    let answer = open.await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "ok"));
    stopping.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn what_takes_too_long_is_cut_off() {
    let slow = slow().await;
    let node = TestNode::start(&config(&slow.upstream.url(), "50ms")).await;
    let address = node.http();
    let open = tokio::spawn(async move {
        crate::support::raw(address, "GET /x HTTP/1.1\r\nhost: a\r\n\r\n").await
    });
    slow.arrived.notified().await;
    tokio::time::timeout(Duration::from_secs(20), node.stop())
        .await
        .expect("stops in time");
    assert_eq!(open.await.unwrap(), "");
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let slow = slow().await;
    let node = TestNode::start(&config(&slow.upstream.url(), "1s")).await;
    let taken = config(&slow.upstream.url(), "1s").replace("127.0.0.1:0", &node.http().to_string());
    let error = TestNode::try_start(&taken, zephyr_edge::Secrets::default())
        .await
        .err()
        .unwrap();
    let text = format!("{error:#}");
    assert!(
        text.contains(&node.http().to_string()) && text.contains("listen.http"),
        "{text}"
    );
    node.stop().await;
}

#[tokio::test]
async fn a_node_that_is_to_stop_is_not_ready_and_takes_requests_for_the_delay() {
    let slow = slow().await;
    let config = config(&slow.upstream.url(), "20s").replace(
        "[listen]",
        "shutdown_delay = \"1h\"\n[listen]\nadmin = \"127.0.0.1:0\"",
    );
    let node = TestNode::start(&config).await;
    let (address, admin) = (node.http(), node.admin());
    assert_eq!(get(admin, "/-/ready").await.status, 200);
    let stopping = tokio::spawn(node.stop());
    while get(admin, "/-/ready").await.status == 200 {
        tokio::task::yield_now().await;
    }
    let open = tokio::spawn(async move { get(address, "/x").await });
    slow.arrived.notified().await;
    slow.go.notify_one();
    assert_eq!(open.await.unwrap().status, 200);
    // What a second signal does.
    stopping.abort();
}

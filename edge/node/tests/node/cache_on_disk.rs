//! The cache's disk tier, as a client sees it: warm after a restart, right after damage, and bodies
//! that are never whole in memory.

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use zephyr_edge::Secrets;

use crate::support::{RawUpstream, TestNode, TestUpstream, request};

fn config(url: &str) -> String {
    format!(
        r#"
        [cache]
        disk_path = "cache"
        disk_max_bytes = "1GiB"
        max_object_bytes = "200MiB"
        memory_object_max = "256KiB"
        [upstreams.a]
        url = "{url}"
        [[routes]]
        name = "all"
        paths = ["/{{*rest}}"]
        upstream = "a"
        cache = true
        "#
    )
}

async fn again(folder: TempDir, url: &str) -> TestNode {
    let started = TestNode::start_in(folder, &config(url), Secrets::default()).await;
    started.unwrap()
}

/// An upstream that answers with the target, as often as it takes to make 100,000 bytes.
async fn upstream() -> TestUpstream {
    TestUpstream::start(|seen| {
        let mut answer = Response::builder().header("cache-control", "max-age=600");
        if seen.target.starts_with("/vary") {
            answer = answer.header("vary", "x-a");
        }
        let text = format!("{}{}", seen.target, seen.header("x-a"));
        let body = Bytes::from(text.repeat(100_000 / text.len()));
        answer.body(Full::new(body)).unwrap()
    })
    .await
}

fn is_hit(answer: &crate::support::Answer) -> bool {
    answer.header("cache-status").starts_with("Zephyr; hit")
}

fn segments(folder: &TempDir) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.path().join("cache")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|ext| ext == "zseg"))
        .collect()
}

#[tokio::test]
async fn it_is_warm_after_a_restart() {
    let a = upstream().await;
    let node = TestNode::start(&config(&a.url())).await;
    let varied = |value| {
        Request::get("/vary")
            .header("x-a", value)
            .body(String::new())
    };
    let before = node.get("/x").await;
    for value in ["1", "2"] {
        request(node.http(), varied(value).unwrap()).await;
    }
    let folder = node.stop().await;
    let node = again(folder, &a.url()).await;
    for _ in 0..2 {
        let after = node.get("/x").await;
        assert!(is_hit(&after), "{:?}", after.headers);
        assert_eq!(after.body, before.body);
    }
    for value in ["2", "1"] {
        let answer = request(node.http(), varied(value).unwrap()).await;
        assert!(is_hit(&answer) && answer.body.starts_with(&format!("/vary{value}")));
    }
    let other = request(node.http(), varied("3").unwrap()).await;
    assert!(!is_hit(&other), "{:?}", other.headers);
    assert_eq!(a.seen().len(), 4);
    node.stop().await;
}

#[tokio::test]
async fn what_was_purged_before_a_restart_stays_purged() {
    let a = upstream().await;
    let node = TestNode::start(&config(&a.url())).await;
    node.get("/purged").await;
    node.get("/kept").await;
    let write = Request::post("/purged").body(String::new()).unwrap();
    request(node.http(), write).await;
    let folder = node.stop().await;
    let node = again(folder, &a.url()).await;
    assert!(!is_hit(&node.get("/purged").await));
    assert!(is_hit(&node.get("/kept").await));
    node.stop().await;
}

#[tokio::test]
async fn a_damaged_file_costs_a_trip_and_gives_no_wrong_bytes() {
    let a = upstream().await;
    let node = TestNode::start(&config(&a.url())).await;
    let before = node.get("/x").await;
    let folder = node.stop().await;
    let file = segments(&folder).remove(0);
    let mut bytes = fs::read(&file).unwrap();
    bytes[50_000] ^= 4;
    fs::write(&file, bytes).unwrap();
    let node = again(folder, &a.url()).await;
    let after = node.get("/x").await;
    assert!(!is_hit(&after), "{:?}", after.headers);
    assert!(after.body == before.body);
    assert_eq!(a.seen().len(), 2);
    assert_eq!(
        node.metric("zephyr_edge_cache_disk_read_errors_total")
            .await,
        1
    );
    assert!(is_hit(&node.get("/x").await));
    node.stop().await;
}

/// 100 MiB in chunks whose bytes tell where they are.
const LARGE: usize = 100 << 20;

fn large(at: usize, length: usize) -> Vec<u8> {
    (at / 4..(at + length).div_ceil(4))
        .flat_map(|word| format!("{:04x}", word * 31 % 0xffff).into_bytes())
        .collect()
}

#[tokio::test]
async fn a_large_body_streams_through_disk_and_is_never_whole_in_memory() {
    let a = RawUpstream::start(|_, mut stream| async move {
        let mut head = [0; 4096];
        while stream.read(&mut head).await.is_ok_and(|read| read > 0) {
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\netag: \"1\"\r\ncache-control: max-age=600\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
            for at in (0..LARGE).step_by(1 << 20) {
                stream.write_all(&large(at, 1 << 20)).await.unwrap();
            }
        }
    })
    .await;
    let node = TestNode::start(&config(&a.url())).await;
    let first = node.get("/large").await;
    assert_eq!(first.body.len(), LARGE);
    let hit = node.get("/large").await;
    assert!(is_hit(&hit), "{:?}", hit.headers);
    assert!(hit.body == first.body, "the same bytes");
    let at = 77 << 20;
    let range = format!("bytes={at}-{}", at + 199_999);
    let part = Request::get("/large")
        .header("range", range)
        .body(String::new());
    let part = request(node.http(), part.unwrap()).await;
    assert_eq!(part.status, 206);
    assert!(is_hit(&part) && part.body.as_bytes() == large(at, 200_000));
    assert!(node.metric("zephyr_edge_cache_bytes").await < 64 << 10);
    assert!(node.metric("zephyr_edge_cache_disk_bytes").await >= LARGE as u64);
    let folder = node.stop().await;
    let node = again(folder, &a.url()).await;
    let hit = node.get("/large").await;
    assert!(is_hit(&hit) && hit.body == first.body);
    assert_eq!(a.connections(), 1);
    node.stop().await;
}

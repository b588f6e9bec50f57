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

use crate::support::{Answer, RawUpstream, TestNode, TestUpstream, request};

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

/// Asks for the same host whatever the node's port.
async fn ask(node: &TestNode, asked: http::request::Builder) -> Answer {
    let asked = asked.header("host", "a.example").body(String::new());
    request(node.http(), asked.unwrap()).await
}

async fn get(node: &TestNode, path: &str) -> Answer {
    ask(node, Request::get(path)).await
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

fn is_hit(answer: &Answer) -> bool {
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
    let varied = |value| Request::get("/vary").header("x-a", value);
    let before = get(&node, "/x").await;
    for value in ["1", "2"] {
        ask(&node, varied(value)).await;
    }
    let folder = node.stop().await;
    let node = again(folder, &a.url()).await;
    for _ in 0..2 {
        let after = get(&node, "/x").await;
        assert!(is_hit(&after), "{:?}", after.headers);
        assert_eq!(after.body, before.body);
    }
    for value in ["2", "1"] {
        let answer = ask(&node, varied(value)).await;
        assert!(is_hit(&answer) && answer.body.starts_with(&format!("/vary{value}")));
    }
    let other = ask(&node, varied("3")).await;
    assert!(!is_hit(&other), "{:?}", other.headers);
    assert_eq!(a.seen().len(), 4);
    node.stop().await;
}

#[tokio::test]
async fn what_was_purged_before_a_restart_stays_purged() {
    let a = upstream().await;
    let node = TestNode::start(&config(&a.url())).await;
    get(&node, "/purged").await;
    get(&node, "/kept").await;
    ask(&node, Request::post("/purged")).await;
    let folder = node.stop().await;
    let node = again(folder, &a.url()).await;
    assert!(!is_hit(&get(&node, "/purged").await));
    assert!(is_hit(&get(&node, "/kept").await));
    node.stop().await;
}

#[tokio::test]
async fn a_damaged_file_costs_a_trip_and_gives_no_wrong_bytes() {
    let a = upstream().await;
    let node = TestNode::start(&config(&a.url())).await;
    let before = get(&node, "/x").await;
    let folder = node.stop().await;
    let file = segments(&folder).remove(0);
    let mut bytes = fs::read(&file).unwrap();
    bytes[50_000] ^= 4;
    fs::write(&file, bytes).unwrap();
    let node = again(folder, &a.url()).await;
    let after = get(&node, "/x").await;
    assert!(!is_hit(&after), "{:?}", after.headers);
    assert!(after.body == before.body);
    assert_eq!(a.seen().len(), 2);
    assert_eq!(
        node.metric("zephyr_edge_cache_disk_read_errors_total")
            .await,
        1
    );
    assert!(is_hit(&get(&node, "/x").await));
    node.stop().await;
}

/// 100 MiB, each MiB of which begins with its number.
const LARGE: usize = 100 << 20;

fn mebibyte(number: usize) -> Vec<u8> {
    let mut bytes = b"0123456789abcdefghijklmnopqrstuv".repeat((1 << 20) / 32);
    bytes[..8].copy_from_slice(format!("{number:08}").as_bytes());
    bytes
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
            for number in 0..LARGE >> 20 {
                stream.write_all(&mebibyte(number)).await.unwrap();
            }
        }
    })
    .await;
    let node = TestNode::start(&config(&a.url())).await;
    let first = get(&node, "/large").await;
    assert_eq!(first.body.len(), LARGE);
    let hit = get(&node, "/large").await;
    assert!(is_hit(&hit), "{:?}", hit.headers);
    assert!(hit.body == first.body, "the same bytes");
    let at = 77 << 20;
    let range = format!("bytes={at}-{}", at + 199_999);
    let part = ask(&node, Request::get("/large").header("range", range)).await;
    assert_eq!(part.status, 206);
    assert!(is_hit(&part) && part.body.as_bytes() == &mebibyte(77)[..200_000]);
    assert!(node.metric("zephyr_edge_cache_bytes").await < 64 << 10);
    assert!(node.metric("zephyr_edge_cache_disk_bytes").await >= LARGE as u64);
    let folder = node.stop().await;
    let node = again(folder, &a.url()).await;
    let hit = get(&node, "/large").await;
    assert!(is_hit(&hit) && hit.body == first.body);
    assert_eq!(a.connections(), 1);
    node.stop().await;
}

/// A file system in memory, of a size, until dropped.
struct Tmpfs(TempDir);

impl Tmpfs {
    /// None where this process may not mount one.
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]);
        let done = mount
            .arg(folder.path())
            .stderr(std::process::Stdio::null())
            .status();
        done.is_ok_and(|status| status.success())
            .then_some(Self(folder))
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let mut unmount = std::process::Command::new("umount");
        let _ = unmount.arg("-l").arg(self.0.path()).status();
    }
}

/// A fault: the disk is full, far below what the cache may take.
#[tokio::test]
async fn a_full_disk_costs_entries_and_nothing_else() {
    let Some(disk) = Tmpfs::mount("4m") else {
        eprintln!("a_full_disk_costs_entries_and_nothing_else: skipped, a tmpfs cannot be mounted");
        return;
    };
    let a = upstream().await;
    let cache = format!("disk_path = {:?}", disk.0.path().join("cache"));
    // In memory there is room for a few answers.
    let config = config(&a.url())
        .replace("disk_path = \"cache\"", &cache)
        .replace(
            "memory_object_max = \"256KiB\"",
            "memory_object_max = \"64KiB\"\nmax_bytes = \"1MiB\"",
        );
    let mut node = TestNode::start(&config).await;
    let text = |path: &str| path.repeat(100_000 / path.len());
    for round in 0..2 {
        let mut hits = 0;
        for number in 0..150 {
            let path = format!("/{number:03}");
            let answer = get(&node, &path).await;
            assert_eq!(answer.status, 200);
            assert!(answer.body == text(&path), "{path}: other bytes");
            hits += usize::from(is_hit(&answer));
        }
        assert!(
            node.metric("zephyr_edge_cache_disk_write_errors_total")
                .await
                > 0
        );
        assert!(hits < 150, "{hits} answers of 100 KB in 4 MiB");
        // What is purged on a full disk stays purged, and what is written to is asked for.
        let purged = ask(&node, Request::post("/000")).await;
        assert_eq!(purged.status, 200);
        assert!(!is_hit(&get(&node, "/000").await));
        let folder = node.stop().await;
        let started = TestNode::start_in(folder, &config, Secrets::default()).await;
        node = started.unwrap();
        let again = get(&node, "/000").await;
        assert!(again.body == text("/000"), "round {round}");
        if round == 1 {
            break;
        }
    }
    // With room again the cache goes on.
    let all = http::Request::post("/-/purge")
        .body("{\"all\":true}".to_owned())
        .unwrap();
    assert_eq!(request(node.admin(), all).await.status, 200);
    let later = async {
        let mut number = 0;
        loop {
            let path = format!("/later{number}");
            get(&node, &path).await;
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            if is_hit(&get(&node, &path).await) {
                return;
            }
            number += 1;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, later)
        .await
        .expect("hits again");
    node.stop().await;
}

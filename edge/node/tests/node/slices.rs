//! Files that are too large to be one piece, as a client and an upstream see them: what is asked for is
//! what is fetched, and what was fetched is not fetched again.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use zephyr_edge::Secrets;

use crate::support::{Answer, PATIENCE, Seen, TestNode, TestUpstream, request};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const HUGE: u64 = 10 * GIB;

/// A file, whose bytes are made when they are read.
struct File {
    length: u64,
    /// Counts up with every new version.
    version: AtomicU64,
    /// Bytes that were read.
    sent: AtomicU64,
    /// Bodies that are being read.
    open: AtomicUsize,
    /// Whether the upstream is out of order.
    down: AtomicBool,
    /// When set, each chunk of a body waits for a permit.
    gate: Option<Semaphore>,
}

impl File {
    fn new(length: u64) -> Self {
        Self {
            length,
            version: AtomicU64::new(1),
            sent: AtomicU64::new(0),
            open: AtomicUsize::new(0),
            down: AtomicBool::new(false),
            gate: None,
        }
    }

    async fn serve(self) -> (Arc<Self>, TestUpstream) {
        let file = Arc::new(self);
        let own = Arc::clone(&file);
        let upstream = TestUpstream::start(move |seen| own.answer(seen)).await;
        (file, upstream)
    }

    fn tag(&self) -> String {
        format!("\"{}\"", self.version.load(SeqCst))
    }

    fn sent(&self) -> u64 {
        self.sent.load(SeqCst)
    }

    /// What stands in it from a byte to another, that one not included.
    fn bytes(&self, from: u64, to: u64) -> String {
        let version = self.version.load(SeqCst);
        let lines = (from / 16..to.div_ceil(16)).map(|line| format!("{version}{line:014x}\n"));
        let text: String = lines.collect();
        let skip = (from % 16) as usize;
        text[skip..skip + (to - from) as usize].to_owned()
    }

    fn answer(self: &Arc<Self>, seen: &Seen) -> Response<BoxBody> {
        let has = |name| seen.headers.get(name).map(|value| value.to_str().unwrap());
        let (tag, length) = (self.tag(), self.length);
        let answer = Response::builder()
            .header("etag", &tag)
            .header("accept-ranges", "bytes")
            .header("cache-control", "max-age=600");
        let empty = || self.body(0, 0);
        if seen.method == Method::POST {
            return answer.status(204).body(empty()).unwrap();
        }
        if self.down.load(SeqCst) {
            return answer.status(503).body(empty()).unwrap();
        }
        if has("if-match").is_some_and(|own| own != tag) {
            return answer.status(412).body(empty()).unwrap();
        }
        if has("if-none-match") == Some(&tag) {
            return answer.status(304).body(empty()).unwrap();
        }
        let range = has("range").map(|range| {
            let (first, last) = range
                .strip_prefix("bytes=")
                .unwrap()
                .split_once('-')
                .unwrap();
            let last = last.parse().unwrap_or(length - 1).min(length - 1);
            (first.parse::<u64>().unwrap(), last)
        });
        let (first, last) = range.unwrap_or((0, length - 1));
        let mut answer = answer.header("content-length", last - first + 1);
        if range.is_some() {
            let told = format!("bytes {first}-{last}/{length}");
            answer = answer.status(206).header("content-range", told);
        }
        answer.body(self.body(first, last + 1)).unwrap()
    }

    fn body(self: &Arc<Self>, from: u64, to: u64) -> BoxBody {
        self.open.fetch_add(1, SeqCst);
        let reading = Reading(Arc::clone(self));
        let chunks = stream::unfold((reading, from), move |(reading, from)| async move {
            if from >= to {
                return None;
            }
            let file = &reading.0;
            if let Some(gate) = &file.gate {
                gate.acquire().await.unwrap().forget();
            }
            let end = to.min(from + 16 * KIB);
            let chunk = Bytes::from(file.bytes(from, end));
            file.sent.fetch_add(chunk.len() as u64, SeqCst);
            Some((Ok::<_, Infallible>(Frame::data(chunk)), (reading, end)))
        });
        StreamBody::new(Box::pin(chunks) as Chunks).boxed_unsync()
    }

    /// Waits until nobody reads any more.
    async fn until_left(&self) {
        let left = async {
            while self.open.load(SeqCst) > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let left = tokio::time::timeout(PATIENCE, left).await;
        left.expect("nobody reads from the upstream any more");
    }
}

type BoxBody = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;
type Chunks =
    std::pin::Pin<Box<dyn futures_util::Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>>;

/// A body that is being read.
struct Reading(Arc<File>);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, SeqCst);
    }
}

fn config(url: &str, cache: &str) -> String {
    format!(
        r#"
        [cache]
        {cache}
        [upstreams.a]
        url = "{url}"
        [[routes]]
        name = "all"
        paths = ["/{{*rest}}"]
        upstream = "a"
        "#
    )
}

/// Slices of 64 KiB of what is larger than one.
const SMALL: &str = "max_object_bytes = \"64KiB\"\nslice_bytes = \"64KiB\"";
const SLICE: u64 = 64 * KIB;

async fn small(url: &str) -> TestNode {
    TestNode::start(&config(url, SMALL)).await
}

async fn ask(node: &TestNode, asked: http::request::Builder) -> Answer {
    let asked = asked.header("host", "a.example").body(String::new());
    request(node.http(), asked.unwrap()).await
}

/// Asks for the bytes from one to another, that one not included.
async fn range(node: &TestNode, from: u64, to: u64) -> Answer {
    let range = format!("bytes={from}-{}", to - 1);
    let answer = ask(node, Request::get("/f").header("range", range)).await;
    assert_eq!(answer.status, 206, "{:?}", answer.headers);
    let told = answer.header("content-range");
    assert!(
        told.starts_with(&format!("bytes {from}-{}/", to - 1)),
        "{told}"
    );
    answer
}

fn is_hit(answer: &Answer) -> bool {
    answer.header("cache-status").starts_with("Zephyr; hit")
}

/// The ranges that the upstream was asked for.
fn asked(upstream: &TestUpstream) -> Vec<String> {
    let seen = upstream.seen();
    seen.iter().map(|seen| seen.header("range")).collect()
}

#[tokio::test]
async fn the_first_range_of_a_huge_file_fetches_what_is_asked_for_and_is_stored() {
    let (file, a) = File::new(HUGE).serve().await;
    let node = TestNode::start(&config(&a.url(), "")).await;
    let (from, to) = (5 * GIB, 5 * GIB + 3 * MIB);
    let first = range(&node, from, to).await;
    assert!(first.body == file.bytes(from, to));
    assert_eq!(
        file.sent(),
        3 * MIB,
        "what was asked for, and not a byte more"
    );
    file.down.store(true, SeqCst);
    for (from, to) in [
        (from, to),
        (from + 7, from + 9),
        (from + MIB - 1, to - MIB + 1),
    ] {
        let again = range(&node, from, to).await;
        assert!(is_hit(&again), "{:?}", again.headers);
        assert!(again.body == file.bytes(from, to));
    }
    assert_eq!(asked(&a).len(), 1);
    file.down.store(false, SeqCst);
    // One byte more costs one slice more.
    let more = range(&node, from, to + 1).await;
    assert!(more.body == file.bytes(from, to + 1));
    let told = more.header("cache-status");
    assert!(
        told.starts_with("Zephyr; fwd=partial; ttl=") && told.ends_with("; stored"),
        "{told}"
    );
    assert_eq!(file.sent(), 4 * MIB);
    assert_eq!(node.metric("zephyr_edge_cache_slice_fills_total").await, 1);
    assert_eq!(node.metric("zephyr_edge_cache_slice_hits_total").await, 10);
    node.stop().await;
}

#[tokio::test]
async fn ranges_share_slices_and_a_gap_is_fetched_as_a_gap() {
    let (file, a) = File::new(HUGE).serve().await;
    let node = small(&a.url()).await;
    range(&node, 0, 3 * SLICE).await;
    let overlapping = range(&node, 2 * SLICE + 5, 4 * SLICE - 5).await;
    assert!(overlapping.body == file.bytes(2 * SLICE + 5, 4 * SLICE - 5));
    range(&node, 6 * SLICE, 8 * SLICE).await;
    let all = range(&node, 1, 8 * SLICE - 1).await;
    assert!(all.body == file.bytes(1, 8 * SLICE - 1));
    let of = |from, to| format!("bytes={}-{}", from * SLICE, to * SLICE - 1);
    assert_eq!(asked(&a), [of(0, 3), of(3, 4), of(6, 8), of(4, 6)]);
    assert!(is_hit(&range(&node, 0, 8 * SLICE).await));
    node.stop().await;
}

#[tokio::test]
async fn who_leaves_a_huge_file_leaves_slices_and_stops_the_upstream() {
    let (file, a) = File::new(HUGE).serve().await;
    let node = TestNode::start(&config(&a.url(), "")).await;
    let mut stream = TcpStream::connect(node.http()).await.unwrap();
    let text = "GET /f HTTP/1.1\r\nhost: a.example\r\nrange: bytes=0-\r\n\r\n";
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut read = vec![0; 5 << 20];
    stream.read_exact(&mut read).await.unwrap();
    drop(stream);
    file.until_left().await;
    assert!(file.sent() < 64 * MIB, "{} bytes for 5 MiB", file.sent());
    file.down.store(true, SeqCst);
    let stored = range(&node, 0, 4 * MIB).await;
    assert!(is_hit(&stored) && stored.body == file.bytes(0, 4 * MIB));
    node.stop().await;
}

#[tokio::test]
async fn who_leaves_slices_stops_the_upstream() {
    let (file, a) = File::new(HUGE).serve().await;
    let node = small(&a.url()).await;
    range(&node, 0, SLICE).await;
    let mut stream = TcpStream::connect(node.http()).await.unwrap();
    let text = "GET /f HTTP/1.1\r\nhost: a.example\r\n\r\n";
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut read = vec![0; 5 << 20];
    stream.read_exact(&mut read).await.unwrap();
    drop(stream);
    file.until_left().await;
    assert!(file.sent() < 64 * MIB, "{} bytes for 5 MiB", file.sent());
    let runs = asked(&a);
    assert!(
        runs.len() > 1 && runs[1].starts_with("bytes=65536-"),
        "{runs:?}"
    );
    node.stop().await;
}

#[tokio::test]
async fn a_whole_file_is_put_together_from_what_is_there_and_what_lacks() {
    let length = 40 * SLICE + 1;
    let (file, a) = File::new(length).serve().await;
    let node = small(&a.url()).await;
    range(&node, 3 * SLICE, 9 * SLICE).await;
    range(&node, 20 * SLICE - 1, 22 * SLICE).await;
    let whole = ask(&node, Request::get("/f")).await;
    assert_eq!(
        (whole.status.as_u16(), whole.header("content-length")),
        (200, &*length.to_string())
    );
    assert!(whole.body == file.bytes(0, length));
    let again = ask(&node, Request::get("/f")).await;
    assert!(is_hit(&again) && again.body == whole.body);
    node.stop().await;
}

#[tokio::test]
async fn a_new_version_is_never_mixed_with_the_old_one() {
    let (file, a) = File::new(40 * SLICE).serve().await;
    let node = small(&a.url()).await;
    let old = range(&node, 0, 2 * SLICE).await;
    file.version.fetch_add(1, SeqCst);
    // In the middle: the head of the old one is out already.
    let mut stream = TcpStream::connect(node.http()).await.unwrap();
    let text = "GET /f HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n";
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    // A reset is an end as well.
    let _ = stream.read_to_end(&mut read).await;
    let read = String::from_utf8(read).unwrap();
    let (head, body) = read.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-length: 2621440"), "{head}");
    assert!(
        old.body.starts_with(body),
        "a part of the old one and nothing else"
    );
    // Before anything was sent: as it was asked for.
    let new = range(&node, SLICE, 3 * SLICE).await;
    assert_eq!(new.header("etag"), "\"2\"");
    assert!(new.body == file.bytes(SLICE, 3 * SLICE));
    let whole = ask(&node, Request::get("/f")).await;
    assert!(whole.body == file.bytes(0, 40 * SLICE));
    // Noticed at once, when the first slice lacks.
    file.version.fetch_add(1, SeqCst);
    ask(&node, Request::post("/f")).await;
    let newest = range(&node, 0, SLICE).await;
    assert!(newest.body == file.bytes(0, SLICE));
    file.version.fetch_add(1, SeqCst);
    let last = range(&node, 5 * SLICE, 6 * SLICE).await;
    assert!(last.header("etag") == "\"4\"" && last.body == file.bytes(5 * SLICE, 6 * SLICE));
    node.stop().await;
}

#[tokio::test]
async fn many_who_want_the_same_slices_at_once_cost_one_request() {
    let file = File {
        gate: Some(Semaphore::new(1)),
        ..File::new(HUGE)
    };
    let (file, a) = file.serve().await;
    let node = Arc::new(small(&a.url()).await);
    range(&node, 0, 1).await;
    let before = node.metric("zephyr_edge_cache_misses_total").await;
    let all: Vec<_> = (0..10)
        .map(|_| {
            let node = Arc::clone(&node);
            tokio::spawn(async move { range(&node, SLICE, 5 * SLICE).await })
        })
        .collect();
    // All have their heads; no byte of a body has come yet.
    node.until("zephyr_edge_cache_misses_total", before + 10)
        .await;
    let run = format!("bytes={SLICE}-{}", 5 * SLICE - 1);
    assert_eq!(asked(&a)[1..], [run], "one request for all");
    file.gate.as_ref().unwrap().add_permits(1_000_000);
    for one in all {
        assert!(one.await.unwrap().body == file.bytes(SLICE, 5 * SLICE));
    }
    // Who goes on with the next slice is open, but no slice is filled twice.
    assert_eq!(node.metric("zephyr_edge_cache_slice_fills_total").await, 4);
    Arc::into_inner(node).unwrap().stop().await;
}

#[tokio::test]
async fn what_clients_do_not_read_is_not_fetched_and_memory_is_bounded() {
    let (file, a) = File::new(HUGE).serve().await;
    let cache = format!("max_bytes = \"4MiB\"\n{SMALL}");
    let node = TestNode::start(&config(&a.url(), &cache)).await;
    range(&node, 0, 1).await;
    let mut unread = Vec::new();
    for number in 0..40 {
        let mut stream = TcpStream::connect(node.http()).await.unwrap();
        let from = number * GIB / 10;
        let text = format!("GET /f HTTP/1.1\r\nhost: a.example\r\nrange: bytes={from}-\r\n\r\n");
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut head = [0; 15];
        stream.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 206 Pa");
        unread.push(stream);
    }
    assert!(node.metric("zephyr_edge_cache_bytes").await <= 4 * MIB);
    // Sockets have buffers: a few MiB for each on both sides of the node.
    assert!(file.sent() < 40 * 24 * MIB, "{}", file.sent());
    drop(unread);
    file.until_left().await;
    assert!(range(&node, 7, 9).await.body == file.bytes(7, 9));
    node.stop().await;
}

const ON_DISK: &str =
    "disk_path = \"cache\"\nmax_object_bytes = \"64KiB\"\nslice_bytes = \"64KiB\"";

async fn again(folder: TempDir, url: &str) -> TestNode {
    let started = TestNode::start_in(folder, &config(url, ON_DISK), Secrets::default()).await;
    started.unwrap()
}

#[tokio::test]
async fn slices_outlive_a_restart_and_purges_do_too() {
    let (file, a) = File::new(HUGE).serve().await;
    let node = TestNode::start(&config(&a.url(), ON_DISK)).await;
    range(&node, 5, 3 * SLICE).await;
    range(&node, 8 * SLICE, 9 * SLICE).await;
    let node = again(node.stop().await, &a.url()).await;
    let trips = asked(&a).len();
    file.down.store(true, SeqCst);
    for _ in 0..2 {
        let warm = range(&node, 5, 3 * SLICE).await;
        assert!(is_hit(&warm), "{:?}", warm.headers);
        assert!(warm.body == file.bytes(5, 3 * SLICE));
        assert!(is_hit(&range(&node, 8 * SLICE + 1, 9 * SLICE).await));
    }
    assert!(node.metric("zephyr_edge_cache_disk_hits_total").await >= 4);
    file.down.store(false, SeqCst);
    let gap = range(&node, 2 * SLICE, 9 * SLICE).await;
    assert!(gap.body == file.bytes(2 * SLICE, 9 * SLICE));
    assert_eq!(asked(&a).len(), trips + 1);
    // The write drops head and slices, also those on disk, also after the next restart.
    ask(&node, Request::post("/f")).await;
    let node = again(node.stop().await, &a.url()).await;
    let trips = asked(&a).len();
    assert!(!is_hit(&range(&node, SLICE, 2 * SLICE).await));
    assert!(!is_hit(&range(&node, SLICE, 3 * SLICE).await));
    assert_eq!(asked(&a).len(), trips + 2);
    node.stop().await;
}

#[tokio::test]
async fn a_small_part_on_disk_is_continued_after_a_restart() {
    let (file, a) = File::new(40_000).serve().await;
    let node = TestNode::start(&config(&a.url(), ON_DISK)).await;
    range(&node, 0, 10_000).await;
    let node = again(node.stop().await, &a.url()).await;
    let whole = ask(&node, Request::get("/f")).await;
    assert!(whole.status == 200 && whole.body == file.bytes(0, 40_000));
    assert_eq!(asked(&a), ["bytes=0-9999", "bytes=10000-"]);
    assert!(is_hit(&ask(&node, Request::get("/f")).await));
    node.stop().await;
}

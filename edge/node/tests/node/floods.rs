//! Clients of HTTP/2 that send and send: frames that cost them nothing (RFC 9113, section 10.5), read by
//! them or not. The connection ends, what the node holds for it stays small, and others are served.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::frames::{
    DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, frame, head,
};
use crate::support::{PATIENCE, TestNode, TestUpstream};

/// Codes of RFC 9113, section 7.
const PROTOCOL_ERROR: u8 = 1;
const ENHANCE_YOUR_CALM: u8 = 11;
/// What a flood may cost while it lasts, in KiB; the test's own buffers included.
const MOST: usize = 16 * 1024;
/// What a connection takes at most of a flood, sockets' buffers included.
const TAKEN: usize = 32 << 20;

async fn start() -> (TestUpstream, TestNode) {
    let a = TestUpstream::named("a").await;
    let node = TestNode::start(&format!(
        r#"
        [listen]
        http = "127.0.0.1:0"
        admin = "127.0.0.1:0"
        idle_timeout = "1s"
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

/// KiB that this process has in memory (proc(5), statm).
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4
}

/// One kind of flood: what comes first, and what comes again and again.
struct Flood {
    name: &'static str,
    first: Vec<u8>,
    again: Vec<u8>,
}

fn floods() -> Vec<Flood> {
    let flood = |name, again| Flood {
        name,
        first: Vec::new(),
        again,
    };
    let post = frame(HEADERS, END_HEADERS, 1, &head("POST", &[]));
    vec![
        flood("PING", frame(PING, 0, 0, b"12345678")),
        flood("SETTINGS", frame(SETTINGS, 0, 0, &[])),
        flood(
            "SETTINGS with values",
            frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]),
        ),
        flood("PRIORITY", frame(PRIORITY, 0, 3, &[0, 0, 0, 0, 9])),
        flood("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        flood("of a kind that nobody knows", frame(0x77, 0, 0, b"")),
        Flood {
            name: "empty DATA",
            first: post.clone(),
            again: frame(DATA, 0, 1, b""),
        },
        Flood {
            name: "padding",
            first: post,
            again: frame(DATA, 8, 1, &[0]),
        },
    ]
}

/// Sends until the node takes no more; tells how much it has taken.
async fn pour(stream: &mut (impl AsyncWrite + Unpin), flood: &Flood) -> usize {
    let many = flood.again.repeat(16 * 1024 / flood.again.len());
    let mut taken = 0;
    let _ = stream.write_all(&flood.first).await;
    while let Ok(length) = stream.write(&many).await {
        taken += length;
        if taken > TAKEN {
            break;
        }
        // A write may end within a frame.
        let rest = length % flood.again.len();
        if rest > 0 && stream.write_all(&flood.again[rest..]).await.is_err() {
            break;
        }
    }
    taken
}

#[tokio::test]
async fn who_floods_and_does_not_read_is_cut_off() {
    let (_a, node) = start().await;
    for flood in floods() {
        let mut frames = Frames::open(node.http(), &[]).await;
        let before = resident();
        let poured = tokio::time::timeout(PATIENCE, pour(&mut frames.stream, &flood));
        let others = async {
            for _ in 0..20 {
                assert_eq!(node.get("/other").await.status, 200, "{}", flood.name);
            }
        };
        let (poured, ()) = tokio::join!(poured, others);
        let taken = poured.unwrap_or_else(|_| panic!("{} goes on and on", flood.name));
        assert!(taken <= TAKEN, "{}: {taken} bytes were taken", flood.name);
        let grown = resident().saturating_sub(before);
        assert!(grown < MOST, "{}: {grown} KiB", flood.name);
    }
    node.stop().await;
}

#[tokio::test]
async fn who_floods_and_reads_is_cut_off_too() {
    let (_a, node) = start().await;
    for flood in floods() {
        let frames = Frames::open(node.http(), &[]).await;
        let (mut reader, mut writer) = frames.stream.into_split();
        let reading = async {
            let mut buffer = vec![0; 64 * 1024];
            while reader.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
        };
        let both = async { tokio::join!(pour(&mut writer, &flood), reading) };
        let both = tokio::time::timeout(PATIENCE, both).await;
        let (taken, ()) = both.unwrap_or_else(|_| panic!("{} goes on and on", flood.name));
        assert!(taken <= TAKEN, "{}: {taken} bytes were taken", flood.name);
    }
    node.stop().await;
}

/// Requests that are none: each is an error of its stream, which the node has to answer.
#[tokio::test]
async fn heads_and_trailers_without_fields_end_the_connection() {
    let (a, node) = start().await;
    let both = END_HEADERS | END_STREAM;
    let empty = |number: u32| frame(HEADERS, both, number * 2 + 1, b"");
    // The second one, which does not end the stream, is not one of trailers.
    let trailers = |number: u32| {
        let stream = number * 2 + 1;
        let mut both = frame(HEADERS, END_HEADERS, stream, &head("POST", &[]));
        both.extend(frame(HEADERS, END_HEADERS, stream, b""));
        both
    };
    for (name, make, code) in [
        (
            "heads",
            &empty as &dyn Fn(u32) -> Vec<u8>,
            ENHANCE_YOUR_CALM,
        ),
        ("trailers", &trailers, PROTOCOL_ERROR),
    ] {
        let before = resident();
        let frames = Frames::open(node.http(), &[]).await;
        let (mut reader, mut writer) = frames.stream.into_split();
        let bytes: Vec<u8> = (0..20_000).flat_map(make).collect();
        tokio::spawn(async move {
            let _ = writer.write_all(&bytes).await;
            writer
        });
        let mut heard = Vec::new();
        let reading = reader.read_to_end(&mut heard);
        let _ = tokio::time::timeout(PATIENCE, reading)
            .await
            .expect("closed");
        let mut codes = Vec::new();
        let mut rest = &heard[..];
        while let Some((head, after)) = rest.split_at_checked(9) {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let Some((payload, after)) = after.split_at_checked(length) else {
                break;
            };
            if head[3] == GOAWAY {
                codes.push(payload[7]);
            }
            rest = after;
        }
        assert!(codes.contains(&code), "{name}: GOAWAY with {codes:?}");
        let resets = heard
            .windows(2)
            .filter(|pair| pair == &[4, RST_STREAM])
            .count();
        assert!(resets < 2000, "{name}: {resets} answers");
        assert!(resident().saturating_sub(before) < MOST, "{name}");
    }
    assert!(a.seen().len() < 1000, "{}", a.seen().len());
    node.stop().await;
}

/// One connection's flood is not the other's: who asks now and then, and pings, goes on.
#[tokio::test]
async fn who_pings_within_reason_goes_on() {
    let (_a, node) = start().await;
    let mut frames = Frames::open(node.http(), &[]).await;
    for number in 0..20 {
        let stream = number * 2 + 1;
        for _ in 0..100 {
            frames.send(PING, 0, 0, b"12345678").await;
        }
        let ask = head("GET", &[]);
        frames
            .send(HEADERS, END_HEADERS | END_STREAM, stream, &ask)
            .await;
        let answered = frames.wait(stream, false).await;
        assert_eq!(answered, crate::support::frames::Heard::Answer(0x88));
    }
    node.stop().await;
}

/// How a flood begins is also how a client begins that has nothing to say.
#[tokio::test]
async fn who_opens_and_says_nothing_is_let_go() {
    let (_a, node) = start().await;
    let mut stream = TcpStream::connect(node.http()).await.unwrap();
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    let mut heard = Vec::new();
    let reading = stream.read_to_end(&mut heard);
    let ended = tokio::time::timeout(PATIENCE + Duration::from_secs(1), reading).await;
    assert!(ended.is_ok(), "still open");
    node.stop().await;
}

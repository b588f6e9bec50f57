//! HTTP/2 frame by frame: what h2spec asks for, what would be smuggled into HTTP/1.1, and floods.

use crate::support::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, Heard, PADDED, PING,
    PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, WITH_PRIORITY, block, frame, head,
};
use crate::support::{TestNode, TestUpstream};

const BOTH: u8 = END_HEADERS | END_STREAM;
/// Codes of RFC 9113, section 7.
const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE_ERROR: u32 = 6;
const COMPRESSION_ERROR: u32 = 9;
const ENHANCE_YOUR_CALM: u32 = 11;

async fn start(listen: &str) -> (TestUpstream, TestNode) {
    let a = TestUpstream::named("a").await;
    let node = TestNode::start(&format!(
        "[listen]\nhttp = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n{listen}\n[upstreams.a]\nurl = \"{}\"\n[[routes]]\nname = \"all\"\npaths = [\"/{{*rest}}\", \"/\"]\nupstream = \"a\"\n",
        a.url()
    ))
    .await;
    (a, node)
}

#[tokio::test]
async fn heads_that_are_no_legal_http_reach_no_upstream() {
    let (a, node) = start("").await;
    let mut wrong = Vec::new();
    let extra: &[&[(&str, &str)]] = &[
        &[("X-Upper", "a")],
        &[("connection", "close")],
        &[("keep-alive", "timeout=5")],
        &[("proxy-connection", "close")],
        &[("transfer-encoding", "chunked")],
        &[("upgrade", "h2c")],
        &[("te", "gzip")],
        &[("te", "trailers, gzip")],
        &[("", "a")],
        &[("x y", "a")],
        &[("x:y", "a")],
        &[("x\r\ny", "a")],
        &[("x\0", "a")],
        &[("x", "a\r\nb: c")],
        &[("x", "a\nb")],
        &[("x", "a\rb")],
        &[("x", "a\0b")],
        &[("x", " a")],
        &[("x", "a\t")],
        &[(":path", "/y")],
        &[(":method", "GET")],
        &[(":scheme", "http")],
        &[(":authority", "a")],
        &[(":status", "200")],
        &[(":unknown", "a")],
        &[("x", "y"), (":unknown", "a")],
        &[("host", "b")],
        &[("host", "a"), ("host", "a")],
        &[("content_length", "5")],
        &[("content-length", "a")],
        &[("content-length", "1"), ("content-length", "2")],
        &[("expect", "x")],
    ];
    let pseudo: &[&[(&str, &str)]] = &[
        &[(":scheme", "http"), (":authority", "a"), (":path", "/x")],
        &[(":method", "GET"), (":authority", "a"), (":path", "/x")],
        &[(":method", "GET"), (":scheme", "http"), (":authority", "a")],
        &[(":method", "GET"), (":scheme", "http"), (":path", "/x")],
        &[
            (":method", "GET"),
            (":scheme", "http"),
            ("x", "y"),
            (":authority", "a"),
            (":path", "/x"),
        ],
    ];
    let values: &[(&str, &[&str])] = &[
        (
            ":method",
            &[
                "get",
                "G T",
                "",
                "GET /y HTTP/1.1\r\nx:",
                "CONNECT",
                "TRACE",
            ],
        ),
        (":scheme", &["ftp", ""]),
        (":authority", &["u@a", "a b", "a/b", "a:x", "", "a\r\nx: y"]),
        (
            ":path",
            &[
                "",
                "*",
                "x",
                "/x y",
                "/x HTTP/1.1\r\nx: y",
                "/x\0",
                "/../x",
                "/x/%2e%2e/y",
                "/x\\y",
                "/\"",
                "http://a/x",
            ],
        ),
    ];
    let mut heads: Vec<Vec<u8>> = extra.iter().map(|fields| head("GET", fields)).collect();
    heads.extend(pseudo.iter().map(|fields| block(fields)));
    for (name, texts) in values {
        for text in *texts {
            let mut fields = vec![
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "a"),
                (":path", "/x"),
            ];
            for field in &mut fields {
                if field.0 == *name {
                    field.1 = text;
                }
            }
            heads.push(block(&fields));
        }
    }
    for head in &heads {
        let mut frames = Frames::open(node.http(), &[]).await;
        frames.send(HEADERS, BOTH, 1, head).await;
        let heard = frames.wait(1, false).await;
        // 0x88 to 0x8a are answers that are none of 400, 404 or 500; other statuses are literals.
        let refused = match heard {
            Heard::Answer(first) => !(0x88..=0x8b).contains(&first),
            Heard::Reset(code) | Heard::GoAway(code) => code == PROTOCOL_ERROR,
            Heard::Closed | Heard::Nothing => false,
        };
        if !refused {
            wrong.push((String::from_utf8_lossy(head).into_owned(), heard));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(a.seen().is_empty(), "{:?}", a.seen());
    // And one that is legal, with cookies in pieces and a priority (RFC 9113, section 8.2.3; RFC 9218).
    let mut frames = Frames::open(node.http(), &[]).await;
    let legal = head(
        "GET",
        &[
            ("cookie", "a=1"),
            ("te", "trailers"),
            ("cookie", "b=2"),
            ("priority", "u=1, i"),
            ("host", "A"),
        ],
    );
    frames.send(HEADERS, BOTH, 1, &legal).await;
    assert_eq!(frames.wait(1, false).await, Heard::Answer(0x88));
    let seen = a.only();
    assert_eq!(seen.header("cookie"), "a=1; b=2");
    assert_eq!(seen.header("priority"), "u=1, i");
    node.stop().await;
}

/// A connection error, or for some rules a stream error, with one of these codes.
async fn hears(node: &TestNode, sent: &[Vec<u8>], codes: &[u32]) -> Result<(), String> {
    use tokio::io::AsyncWriteExt as _;
    let mut frames = Frames::open(node.http(), &[]).await;
    let mut bytes = sent.concat();
    bytes.extend_from_slice(&frame(PING, 0, 0, b"are you?"));
    let _ = frames.stream.write_all(&bytes).await;
    let mut heard = Vec::new();
    let mut pongs = 0;
    while let Some(next) = frames.next().await {
        match next.kind {
            GOAWAY => {
                let code = u32::from_be_bytes(next.payload[4..8].try_into().unwrap());
                if codes.contains(&code) {
                    return Ok(());
                }
                heard.push(format!("goaway {code}"));
            }
            RST_STREAM => {
                let code = u32::from_be_bytes(next.payload[..4].try_into().unwrap());
                if codes.contains(&code) {
                    return Ok(());
                }
                heard.push(format!("reset {code}"));
            }
            // What a stream is told may come after the first answer to a ping.
            PING if next.flags & ACK != 0 => {
                pongs += 1;
                if pongs == 3 {
                    heard.push("nothing".to_owned());
                    break;
                }
                frames.send(PING, 0, 0, b"are you?").await;
            }
            kind => heard.push(format!("frame {kind}")),
        }
    }
    Err(heard.join(", "))
}

#[tokio::test]
async fn faults_of_frames_have_their_codes() {
    let (_a, node) = start("").await;
    let get = |stream: u32| frame(HEADERS, BOTH, stream, &head("GET", &[]));
    let post = |stream: u32| frame(HEADERS, END_HEADERS, stream, &head("POST", &[]));
    let rst = |stream: u32| frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]);
    let setting = |id: u16, value: u32| {
        let payload = [&id.to_be_bytes()[..], &value.to_be_bytes()[..]].concat();
        frame(SETTINGS, 0, 0, &payload)
    };
    let part = |flags: u8| frame(HEADERS, flags, 1, &head("GET", &[])[..10]);
    type Case = (&'static str, Vec<Vec<u8>>, &'static [u32]);
    let cases: &[Case] = &[
        (
            "DATA on an idle stream",
            vec![frame(DATA, 0, 1, b"a")],
            &[PROTOCOL_ERROR],
        ),
        (
            "RST_STREAM on an idle stream",
            vec![rst(1)],
            &[PROTOCOL_ERROR],
        ),
        (
            "WINDOW_UPDATE on an idle stream",
            vec![frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])],
            &[PROTOCOL_ERROR],
        ),
        (
            "CONTINUATION on an idle stream",
            vec![frame(CONTINUATION, END_HEADERS, 1, b"")],
            &[PROTOCOL_ERROR],
        ),
        (
            "DATA after END_STREAM",
            vec![get(1), frame(DATA, END_STREAM, 1, b"a")],
            &[STREAM_CLOSED, PROTOCOL_ERROR],
        ),
        (
            "HEADERS after END_STREAM",
            vec![get(1), get(1)],
            &[STREAM_CLOSED, PROTOCOL_ERROR],
        ),
        (
            "DATA after RST_STREAM",
            vec![post(1), rst(1), frame(DATA, END_STREAM, 1, b"a")],
            &[STREAM_CLOSED],
        ),
        (
            "HEADERS after RST_STREAM",
            vec![post(1), rst(1), get(1)],
            &[STREAM_CLOSED, PROTOCOL_ERROR],
        ),
        ("an even stream", vec![get(2)], &[PROTOCOL_ERROR]),
        (
            "a stream below the last",
            vec![get(5), get(3)],
            &[PROTOCOL_ERROR],
        ),
        (
            "HEADERS that depend on themselves",
            vec![frame(
                HEADERS,
                BOTH | WITH_PRIORITY,
                1,
                &[&[0, 0, 0, 1, 0][..], &head("GET", &[])[..]].concat(),
            )],
            &[PROTOCOL_ERROR],
        ),
        (
            "PRIORITY that depends on itself",
            vec![frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 0])],
            &[PROTOCOL_ERROR],
        ),
        (
            "PRIORITY of a wrong size",
            vec![post(1), frame(PRIORITY, 0, 1, &[0, 0, 0, 0])],
            &[FRAME_SIZE_ERROR, PROTOCOL_ERROR],
        ),
        (
            "PRIORITY on the connection",
            vec![frame(PRIORITY, 0, 0, &[0, 0, 0, 1, 0])],
            &[PROTOCOL_ERROR],
        ),
        (
            "SETTINGS acknowledged with a payload",
            vec![frame(SETTINGS, ACK, 0, &[0; 6])],
            &[FRAME_SIZE_ERROR, PROTOCOL_ERROR],
        ),
        (
            "SETTINGS of a wrong size",
            vec![frame(SETTINGS, 0, 0, &[0; 5])],
            &[FRAME_SIZE_ERROR, PROTOCOL_ERROR],
        ),
        (
            "SETTINGS on a stream",
            vec![frame(SETTINGS, 0, 1, b"")],
            &[PROTOCOL_ERROR],
        ),
        (
            "push neither on nor off",
            vec![setting(2, 2)],
            &[PROTOCOL_ERROR],
        ),
        (
            "a window too large",
            vec![setting(4, 1 << 31)],
            &[FLOW_CONTROL_ERROR, PROTOCOL_ERROR],
        ),
        (
            "frames too small",
            vec![setting(5, 16_383)],
            &[PROTOCOL_ERROR],
        ),
        (
            "frames too large",
            vec![setting(5, 1 << 24)],
            &[PROTOCOL_ERROR],
        ),
        (
            "a window that overflows by a setting",
            vec![
                setting(4, 100),
                get(1),
                frame(WINDOW_UPDATE, 0, 1, &[0x7f, 0xff, 0xff, 0xff]),
            ],
            &[FLOW_CONTROL_ERROR, STREAM_CLOSED],
        ),
        (
            "PING of a wrong size",
            vec![frame(PING, 0, 0, b"1234567")],
            &[FRAME_SIZE_ERROR, PROTOCOL_ERROR],
        ),
        (
            "PING on a stream",
            vec![frame(PING, 0, 1, b"12345678")],
            &[PROTOCOL_ERROR],
        ),
        (
            "GOAWAY on a stream",
            vec![frame(GOAWAY, 0, 1, &[0; 8])],
            &[PROTOCOL_ERROR],
        ),
        (
            "a window that grows by nothing",
            vec![frame(WINDOW_UPDATE, 0, 0, &[0; 4])],
            &[PROTOCOL_ERROR],
        ),
        (
            "a stream's window that grows by nothing",
            vec![post(1), frame(WINDOW_UPDATE, 0, 1, &[0; 4])],
            &[PROTOCOL_ERROR],
        ),
        (
            "WINDOW_UPDATE of a wrong size",
            vec![frame(WINDOW_UPDATE, 0, 0, &[0; 3])],
            &[FRAME_SIZE_ERROR, PROTOCOL_ERROR],
        ),
        (
            "a window that overflows",
            vec![frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff])],
            &[FLOW_CONTROL_ERROR],
        ),
        (
            "RST_STREAM of a wrong size",
            vec![post(1), frame(RST_STREAM, 0, 1, &[0; 3])],
            &[FRAME_SIZE_ERROR, PROTOCOL_ERROR],
        ),
        (
            "RST_STREAM on the connection",
            vec![rst(0)],
            &[PROTOCOL_ERROR],
        ),
        (
            "DATA on the connection",
            vec![frame(DATA, 0, 0, b"a")],
            &[PROTOCOL_ERROR],
        ),
        (
            "HEADERS on the connection",
            vec![frame(HEADERS, BOTH, 0, &head("GET", &[]))],
            &[PROTOCOL_ERROR],
        ),
        (
            "a push by a client",
            vec![frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])],
            &[PROTOCOL_ERROR],
        ),
        (
            "CONTINUATION after a whole head",
            vec![get(1), frame(CONTINUATION, END_HEADERS, 1, b"")],
            &[PROTOCOL_ERROR, STREAM_CLOSED],
        ),
        (
            "a head in pieces with another frame between",
            vec![part(END_STREAM), frame(PRIORITY, 0, 3, &[0, 0, 0, 1, 0])],
            &[PROTOCOL_ERROR],
        ),
        (
            "a head in pieces with another stream's between",
            vec![part(END_STREAM), get(3)],
            &[PROTOCOL_ERROR],
        ),
        (
            "padding longer than the frame",
            vec![frame(
                HEADERS,
                BOTH | PADDED,
                1,
                &[&[255][..], &head("GET", &[])[..]].concat(),
            )],
            &[PROTOCOL_ERROR],
        ),
        (
            "padding of data longer than the frame",
            vec![post(1), frame(DATA, PADDED, 1, &[6, 0, 0, 0, 0])],
            &[PROTOCOL_ERROR],
        ),
        (
            "a frame larger than allowed",
            vec![post(1), frame(DATA, 0, 1, &[0; 16_385])],
            &[FRAME_SIZE_ERROR, PROTOCOL_ERROR],
        ),
        (
            "an index that is not there",
            vec![frame(HEADERS, BOTH, 1, &[0xff, 0xff, 0xff, 0x0f])],
            &[COMPRESSION_ERROR, PROTOCOL_ERROR],
        ),
        (
            "a table larger than allowed",
            vec![frame(
                HEADERS,
                BOTH,
                1,
                &[&[0x3f, 0xff, 0xff, 0x03][..], &head("GET", &[])[..]].concat(),
            )],
            &[COMPRESSION_ERROR, PROTOCOL_ERROR],
        ),
        (
            "less data than announced",
            vec![
                frame(
                    HEADERS,
                    END_HEADERS,
                    1,
                    &head("POST", &[("content-length", "5")]),
                ),
                frame(DATA, END_STREAM, 1, b"abc"),
            ],
            &[PROTOCOL_ERROR],
        ),
        (
            "more data than announced",
            vec![
                frame(
                    HEADERS,
                    END_HEADERS,
                    1,
                    &head("POST", &[("content-length", "1")]),
                ),
                frame(DATA, END_STREAM, 1, b"abc"),
            ],
            &[PROTOCOL_ERROR],
        ),
        (
            "trailers that do not end",
            vec![
                post(1),
                frame(HEADERS, END_HEADERS, 1, &block(&[("x", "y")])),
            ],
            &[PROTOCOL_ERROR],
        ),
    ];
    // Not here: a pseudo-header field in trailers, which h2 drops and does not refuse.
    let mut wrong = Vec::new();
    for (what, sent, codes) in cases {
        if let Err(heard) = hears(&node, sent, codes).await {
            wrong.push(format!("{what}: {heard}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    node.stop().await;
}

#[tokio::test]
async fn frames_after_a_stream_has_ended_are_an_error() {
    let (_a, node) = start("").await;
    for (kind, payload) in [(DATA, b"a".to_vec()), (HEADERS, head("GET", &[]))] {
        let mut frames = Frames::open(node.http(), &[]).await;
        frames.send(HEADERS, BOTH, 1, &head("GET", &[])).await;
        assert_eq!(frames.wait(1, false).await, Heard::Answer(0x88));
        loop {
            let next = frames.next().await.unwrap();
            if next.kind == DATA && next.flags & END_STREAM != 0 {
                break;
            }
        }
        frames.send(kind, BOTH, 1, &payload).await;
        let heard = frames.hear(1).await;
        assert!(
            matches!(
                heard,
                Heard::GoAway(STREAM_CLOSED | PROTOCOL_ERROR) | Heard::Reset(STREAM_CLOSED)
            ),
            "{kind}: {heard:?}"
        );
    }
    node.stop().await;
}

#[tokio::test]
async fn requests_taken_back_in_numbers_end_the_connection() {
    let (a, node) = start("").await;
    let frames = Frames::open(node.http(), &[]).await;
    let mut bytes = Vec::new();
    for number in 0..2000_u32 {
        bytes.extend(frame(HEADERS, BOTH, number * 2 + 1, &head("GET", &[])));
        bytes.extend(frame(RST_STREAM, 0, number * 2 + 1, &[0, 0, 0, 8]));
    }
    let (mut reader, mut writer) = frames.stream.into_split();
    tokio::spawn(async move {
        let _ = tokio::io::AsyncWriteExt::write_all(&mut writer, &bytes).await;
        writer
    });
    let mut heard = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut heard).await;
    let goaway = frame(GOAWAY, 0, 0, &[]);
    let calm = heard.windows(17).any(|window| {
        window[3] == GOAWAY
            && window[5..9] == goaway[5..9]
            && window[16] == ENHANCE_YOUR_CALM.to_be_bytes()[3]
    });
    assert!(calm, "no GOAWAY among {} bytes", heard.len());
    assert!(a.seen().len() < 1000, "{}", a.seen().len());
    node.stop().await;
}

#[tokio::test]
async fn a_head_without_an_end_ends_the_connection() {
    let (a, node) = start("").await;
    let mut frames = Frames::open(node.http(), &[]).await;
    frames.send(HEADERS, END_STREAM, 1, &head("GET", &[])).await;
    let more = block(&[("x", &"y".repeat(100))]).repeat(100);
    for _ in 0..1000 {
        frames.send(CONTINUATION, 0, 1, &more).await;
    }
    let heard = frames.wait(1, false).await;
    assert!(
        matches!(heard, Heard::GoAway(_) | Heard::Closed),
        "{heard:?}"
    );
    assert!(a.seen().is_empty());
    node.stop().await;
}

#[tokio::test]
async fn a_client_that_gives_no_window_is_cut_off_whatever_it_pings() {
    let (_a, node) = start("idle_timeout = \"300ms\"").await;
    let mut frames = Frames::open(node.http(), &[(4, 0)]).await;
    frames.send(HEADERS, BOTH, 1, &head("GET", &[])).await;
    assert_eq!(frames.wait(1, false).await, Heard::Answer(0x88));
    frames.send(PING, 0, 0, b"12345678").await;
    let pings = async {
        while let Some(next) = frames.next().await {
            match next.kind {
                // One ping for one pong, so that the node never falls silent.
                PING if next.flags & ACK != 0 => {
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                    frames.send(PING, 0, 0, b"12345678").await;
                }
                PING => frames.send(PING, ACK, 0, &next.payload).await,
                _ => {}
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), pings)
        .await
        .expect("closed in time");
    node.stop().await;
}

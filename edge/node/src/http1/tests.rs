//! What is refused, what passes, and that it makes no difference how the bytes come.

use super::*;

const LIMITS: Limits = Limits {
    bytes: 2048,
    fields: 20,
};

/// What becomes of some bytes: how many go on, and why it stops.
fn outcome(text: &[u8], pieces: usize) -> (Vec<u8>, State, Option<Stop>) {
    let mut scanner = Scanner::new(LIMITS);
    let (mut held, mut passed) = (Vec::new(), Vec::new());
    for piece in text.chunks(pieces) {
        let scan = scanner.scan(piece);
        if scan.passed > 0 {
            passed.append(&mut held);
            passed.extend_from_slice(&piece[..scan.passed]);
        }
        if let Some(stop) = scan.stop {
            return (passed, scanner.state, Some(stop));
        }
        held.extend_from_slice(&piece[scan.passed..]);
    }
    (passed, scanner.state, None)
}

/// Scans all at once and byte by byte. Legal requests pass whole either way.
fn passes(text: &str) {
    for pieces in [usize::MAX, 1, 7] {
        let (passed, state, stop) = outcome(text.as_bytes(), pieces);
        assert!(stop.is_none(), "{text:?}: {stop:?}");
        assert_eq!(state, State::Start, "{text:?}");
        assert_eq!(String::from_utf8_lossy(&passed), text);
    }
}

/// Refused with this status before anything has gone on, if all comes at once; byte by byte too,
/// if it is in the head.
fn refused(text: &[u8], status: u16) {
    let shown = String::from_utf8_lossy(text).into_owned();
    let (passed, _, stop) = outcome(text, usize::MAX);
    match stop {
        Some(Stop::Refused(violation)) => {
            assert_eq!(violation.status.as_u16(), status, "{shown:?}");
        }
        stop => panic!("{shown:?}: {stop:?}"),
    }
    assert!(passed.is_empty(), "{shown:?}");
    let (_, _, stop) = outcome(text, 1);
    assert!(
        matches!(stop, Some(Stop::Refused(_) | Stop::Broken(_))),
        "{shown:?}: {stop:?}"
    );
}

#[test]
fn legal_requests_pass() {
    for text in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "A#B / HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nx:\r\ny: \r\nz:\ta\t\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na\nbGET / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\ncontent-length:0\r\n\r\n",
        "POST / HTTP/1.1\r\ncontent-length: 0003\r\n\r\nabc",
        "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\na\nb\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\ntransfer-encoding:chunked \r\n\r\nA;x=\"y\\\"\"\r\n0123456789\r\n00\r\nt: 1\r\n\r\n",
        "POST / HTTP/1.1\r\ntransfer-encoding:chunked\r\n\r\n1 ; a ;b=c; d = \"\"\r\nx\r\n0\r\n\r\n",
    ] {
        passes(text);
    }
}

#[test]
fn a_head_goes_on_when_it_is_whole() {
    let mut scanner = Scanner::new(LIMITS);
    assert_eq!(scanner.scan(b"GET / HTTP/1.1\r\nHo").passed, 0);
    assert!(scanner.in_head());
    assert_eq!(scanner.scan(b"st: a\r\n\r\nGET").passed, 9);
    assert_eq!(
        scanner
            .scan(b" / HTTP/1.1\r\nContent-Length: 2\r\n\r\na")
            .passed,
        35
    );
    assert!(!scanner.in_head() && scanner.in_body());
    assert_eq!(scanner.scan(b"b").passed, 1);
    assert!(!scanner.in_head() && !scanner.in_body());
    assert_eq!(scanner.heads(), 2);
}

#[test]
fn what_follows_an_upgrade_is_not_looked_at() {
    let text = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n\x81\0";
    let (passed, _, stop) = outcome(text, usize::MAX);
    assert!(matches!(stop, Some(Stop::Upgrade)), "{stop:?}");
    assert_eq!(passed.len(), text.len() - 2);
    passes("POST / HTTP/1.1\r\nUpgrade: h2c\r\nContent-Length: 1\r\n\r\na");
}

#[test]
fn legal_requests_before_an_illegal_one_go_on() {
    let text =
        b"GET /1 HTTP/1.1\r\n\r\nPOST /2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n";
    let mut scanner = Scanner::new(LIMITS);
    let scan = scanner.scan(text);
    assert_eq!(scan.passed, 19);
    assert!(matches!(scan.stop, Some(Stop::Refused(_))));
    assert_eq!(scanner.heads(), 1);
}

#[test]
fn request_lines() {
    for (line, status) in [
        ("GET /", 400),
        ("GET", 400),
        ("GET  / HTTP/1.1", 400),
        ("GET / HTTP/1.1 ", 400),
        (" GET / HTTP/1.1", 400),
        ("GET\t/ HTTP/1.1", 400),
        ("G(T / HTTP/1.1", 400),
        ("GET / http/1.1", 400),
        ("GET / HTTP/1.1x", 400),
        ("GET / HTTP/11", 400),
        ("GET / HTTP/1.2", 505),
        ("GET / HTTP/2.0", 505),
        ("GET / HTTP/0.9", 505),
        ("GET /a b HTTP/1.1", 400),
        ("GET /a#b HTTP/1.1", 400),
        ("GET /ü HTTP/1.1", 400),
        ("GET /a\"b HTTP/1.1", 400),
        ("GET * HTTP/1.1", 400),
        ("GET a HTTP/1.1", 400),
        ("GET a:80 HTTP/1.1", 400),
        ("GET ?a HTTP/1.1", 400),
        ("CONNECT / HTTP/1.1\r\nx", 400),
        ("CONNECT http://a/ HTTP/1.1", 400),
        ("GET /\u{1} HTTP/1.1", 400),
    ] {
        refused(format!("{line}\r\nHost: a\r\n\r\n").as_bytes(), status);
    }
    refused(
        format!("{} / HTTP/1.1\r\n\r\n", "A".repeat(100)).as_bytes(),
        501,
    );
    refused(
        format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(3000)).as_bytes(),
        414,
    );
}

#[test]
fn heads_that_servers_frame_apart_are_refused() {
    for (fields, status) in [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", 400),
        ("Content-Length: 5\r\nContent-Length: 5", 400),
        ("Content-Length: 5, 5", 400),
        ("Content-Length: +5", 400),
        ("Content-Length: -5", 400),
        ("Content-Length: 5 5", 400),
        ("Content-Length: 0x5", 400),
        ("Content-Length: ", 400),
        ("Content-Length: 99999999999999999999", 400),
        ("Content-Length: 9223372036854775808", 400),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            400,
        ),
        ("Transfer-Encoding: chunked, chunked", 400),
        ("Transfer-Encoding: gzip, chunked", 501),
        ("Transfer-Encoding: chunked, gzip", 400),
        ("Transfer-Encoding: identity, chunked", 400),
        ("Transfer-Encoding: identity", 400),
        ("Transfer-Encoding: xchunked", 400),
        ("Transfer-Encoding: \"chunked\"", 400),
        ("Transfer-Encoding: chunked;a", 400),
        ("Transfer-Encoding: \u{b}chunked", 400),
        ("Transfer-Encoding:", 400),
        ("Transfer-Encoding : chunked", 400),
        ("Transfer-Encoding\u{a0}: chunked", 400),
        ("X: a\r\n folded", 400),
        ("X: a\r\n\tfolded", 400),
        (" X: a", 400),
        ("X : a", 400),
        ("X Y: a", 400),
        (": a", 400),
        ("X", 400),
        ("X: a\0", 400),
        ("X: a\rb", 400),
        ("X: a\u{7f}", 400),
        ("X: a\r", 400),
        ("X: a\nY: b", 400),
    ] {
        let text = format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n");
        refused(text.as_bytes(), status);
    }
    refused(b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400);
    refused(b"GET / HTTP/1.1\r\nHost: a\r\n\n", 400);
    refused(b"\nGET / HTTP/1.1\r\n\r\n", 400);
    refused(b"\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n", 400);
    refused(
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
    );
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(21));
    refused(many.as_bytes(), 431);
    let long = format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(3000));
    refused(long.as_bytes(), 431);
}

#[test]
fn chunks_that_servers_read_apart_are_refused() {
    for body in [
        "3\nabc\r\n",
        "3\r\nabcd\r\n",
        "3\r\nabc\n",
        "\r\n",
        "x\r\n",
        "-1\r\n",
        "+1\r\n",
        "0x3\r\n",
        " 3\r\n",
        "3 \r\n",
        "3;\r\n",
        "3;=b\r\n",
        "3;a=\r\n",
        "3;a b\r\n",
        "3;a=\"b\r\n",
        "3;a=\"b\"c\r\n",
        "3;a=\"\\\r\n",
        "3;a\rb\r\n",
        "3;\u{1}\r\n",
        "8000000000000000\r\n",
        "11111111111111111\r\n",
        "0\r\n folded\r\n",
        "0\r\nx\r\n",
        "0\r\nContent-Length: 5\r\n",
        "0\r\nhost: a\r\n",
        "0\r\nx: \0\r\n",
        "0\r\nx: a\n",
    ] {
        let text = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        refused(text.as_bytes(), 400);
    }
    let long = format!(
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;{}",
        "x".repeat(300)
    );
    refused(long.as_bytes(), 400);
}

#[test]
fn hyper_takes_every_target_that_passes() {
    for byte in 0..=255_u8 {
        for before in ["/", "/a?"] {
            let mut line = format!("GET {before}").into_bytes();
            line.push(byte);
            line.extend_from_slice(b" HTTP/1.1");
            if request_line::check(&line).is_ok() {
                let target = &line[4..line.len() - 9];
                assert!(http::Uri::try_from(target).is_ok(), "{byte:#x} {before}");
            }
        }
    }
}

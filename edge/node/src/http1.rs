//! Strictness of HTTP/1.1 framing, in front of hyper.
//!
//! hyper repairs some heads before a service sees them: of `Content-Length` and `Transfer-Encoding`
//! together it drops the first, of two equal `Content-Length` lines the second. Another server on
//! the way may decide otherwise, which is how requests are smuggled (RFC 9112, section 11.2). A
//! [`Scanner`] follows the bytes that a client sends, on their way to hyper, and tells where they
//! stop being a request that every server frames alike:
//!
//! * both `Content-Length` and `Transfer-Encoding` (section 6.1), or either of them twice;
//! * a `Content-Length` that is not digits only, a `Transfer-Encoding` that is not `chunked`;
//! * a target with a fragment, which hyper leaves out (section 3.2);
//! * a line that ends in a bare LF (section 2.2), a folded line (section 5.2);
//! * a chunk size that is not hexadecimal digits only, a chunk extension with control characters or
//!   longer than 256 bytes (section 7.1.1), chunk data without its CRLF.
//!
//! hyper stays the one that parses: should the two ever disagree, the scanner can only refuse.

mod line;

use line::{Field, Line};

/// Where the bytes stop being legal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    /// In a head: the index of the last byte of the line at fault.
    Head(usize),
    /// In a body, or in the trailer section after it.
    Body,
}

/// Follows the framing of the requests on one connection.
#[derive(Debug)]
pub(crate) struct Scanner {
    state: State,
    line: Line,
    length: Option<u64>,
    chunked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before a request line; empty lines are skipped (RFC 9112, section 2.2).
    Start,
    /// Among header fields.
    Fields,
    /// So many bytes of a body to come.
    Body(u64),
    /// In a line with a chunk's size.
    ChunkSize,
    /// So many bytes of a chunk to come, its CRLF not counted.
    Chunk(u64),
    /// At the CR, then at the LF after a chunk's data.
    ChunkCr,
    ChunkLf,
    /// Among trailer fields.
    Trailers,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            state: State::Start,
            line: Line::default(),
            length: None,
            chunked: false,
        }
    }
}

impl Scanner {
    /// Whether part of a head is there, and more of it must come.
    pub(crate) fn in_head(&self) -> bool {
        match self.state {
            State::Start => !self.line.is_empty(),
            State::Fields => true,
            _ => false,
        }
    }

    /// Whether a body is being received.
    pub(crate) fn in_body(&self) -> bool {
        !matches!(self.state, State::Start | State::Fields)
    }

    /// Looks at the bytes that follow those seen before.
    pub(crate) fn scan(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            match self.state {
                State::Body(left) | State::Chunk(left) => {
                    let step = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    at += step;
                    let left = left - step as u64;
                    self.state = match self.state {
                        State::Body(_) if left == 0 => State::Start,
                        State::Body(_) => State::Body(left),
                        _ if left == 0 => State::ChunkCr,
                        _ => State::Chunk(left),
                    };
                }
                State::ChunkCr | State::ChunkLf => {
                    let (expected, next) = match self.state {
                        State::ChunkCr => (b'\r', State::ChunkLf),
                        _ => (b'\n', State::ChunkSize),
                    };
                    if rest[0] != expected {
                        return Err(Violation::Body);
                    }
                    at += 1;
                    self.state = next;
                }
                State::Start | State::Fields | State::ChunkSize | State::Trailers => {
                    let Some(end) = memchr::memchr(b'\n', rest) else {
                        self.line.push(rest);
                        return Ok(());
                    };
                    at += end + 1;
                    let in_body = self.in_body();
                    let legal = if self.line.is_empty() {
                        self.end_of_line(&rest[..end])
                    } else {
                        self.line.push(&rest[..end]);
                        let line = std::mem::take(&mut self.line);
                        let legal = self.end_of_line(line.bytes());
                        self.line = line.reused();
                        legal
                    };
                    if !legal {
                        return Err(if in_body {
                            Violation::Body
                        } else {
                            Violation::Head(at - 1)
                        });
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes in a line without its LF; says whether it is legal.
    fn end_of_line(&mut self, line: &[u8]) -> bool {
        // A line too long to be kept whole shows no end; then its last byte was kept instead.
        let Some((b'\r', line)) = line.split_last() else {
            return false;
        };
        match self.state {
            State::Start => {
                if line.is_empty() {
                    return true;
                }
                (self.length, self.chunked) = (None, false);
                self.state = State::Fields;
                !line::has_fragment(line)
            }
            State::Fields if line.is_empty() => {
                self.state = match self.length {
                    _ if self.chunked => State::ChunkSize,
                    Some(length @ 1..) => State::Body(length),
                    _ => State::Start,
                };
                true
            }
            State::Fields => match line::field(line) {
                Field::Other => true,
                Field::Folded | Field::Illegal => false,
                Field::ContentLength(length) => {
                    !self.chunked && self.length.replace(length).is_none()
                }
                Field::Chunked => {
                    self.length.is_none() && !std::mem::replace(&mut self.chunked, true)
                }
            },
            State::ChunkSize => match line::chunk_size(line) {
                Some(0) => {
                    self.state = State::Trailers;
                    true
                }
                Some(size) => {
                    self.state = State::Chunk(size);
                    true
                }
                None => false,
            },
            State::Trailers => {
                if line.is_empty() {
                    self.state = State::Start;
                }
                !matches!(line.first(), Some(b' ' | b'\t'))
            }
            State::Body(_) | State::Chunk(_) | State::ChunkCr | State::ChunkLf => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scans all at once and byte by byte; both must agree.
    fn scan(text: &str) -> Result<State, &'static str> {
        let name = |violation| match violation {
            Violation::Head(_) => "head",
            Violation::Body => "body",
        };
        let mut whole = Scanner::default();
        let at_once = whole
            .scan(text.as_bytes())
            .map(|()| whole.state)
            .map_err(name);
        let mut pieces = Scanner::default();
        let by_byte = text.bytes().try_for_each(|byte| pieces.scan(&[byte]));
        let by_byte = by_byte.map(|()| pieces.state).map_err(name);
        assert_eq!(at_once, by_byte, "{text:?}");
        at_once
    }

    #[test]
    fn legal_requests_pass() {
        for text in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "A#B / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na\nbGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length:0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\na\nb\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\ntransfer-encoding:chunked \r\n\r\nA;x=\"y\"\r\n0123456789\r\n00\r\nt: 1\r\n\r\n",
        ] {
            assert_eq!(scan(text), Ok(State::Start), "{text:?}");
        }
        assert_eq!(scan("GET / HTTP/1.1\r\nHost"), Ok(State::Fields));
        assert_eq!(
            scan("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na"),
            Ok(State::Body(2))
        );
    }

    #[test]
    fn heads_that_servers_frame_apart_are_refused() {
        for fields in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: 0x5\r\n",
            "Content-Length: \r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked, chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: identity\r\n",
            "Transfer-Encoding: xchunked\r\n",
            "Transfer-Encoding : chunked\r\n",
            "X: a\r\n folded\r\n",
            "X: a\n",
            "Content-Length: 5\n",
        ] {
            let text = format!("POST / HTTP/1.1\r\n{fields}\r\n");
            assert_eq!(scan(&text), Err("head"), "{fields:?}");
        }
        assert_eq!(scan("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"), Err("head"));
        assert_eq!(scan("GET / HTTP/1.1\nHost: a\r\n\r\n"), Err("head"));
        assert_eq!(scan("GET / HTTP/1.1\r\nHost: a\r\n\n"), Err("head"));
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
            "0x3\r\n",
            " 3\r\n",
            "3 \r\n",
            "3;a\rb\r\n",
            "3;\u{1}\r\n",
            "11111111111111111\r\n",
            "0\r\n folded\r\n",
        ] {
            let text = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
            assert_eq!(scan(&text), Err("body"), "{body:?}");
        }
        let long = format!(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;{}\r\n",
            "x".repeat(300)
        );
        assert_eq!(scan(&long), Err("body"));
    }

    #[test]
    fn a_long_line_is_followed_to_its_end() {
        let text = format!(
            "GET /{} HTTP/1.1\r\nX: {}\r\n\r\n",
            "a".repeat(5000),
            "b".repeat(5000)
        );
        assert_eq!(scan(&text), Ok(State::Start));
        let text = format!(
            "GET / HTTP/1.1\r\nContent-Length:{}5\r\n\r\n",
            " ".repeat(5000)
        );
        let mut pieces = Scanner::default();
        let result = text.bytes().try_for_each(|byte| pieces.scan(&[byte]));
        assert!(
            result.is_err(),
            "what cannot be kept whole cannot be judged"
        );
    }

    #[test]
    fn a_head_is_known_to_be_unfinished() {
        let mut scanner = Scanner::default();
        assert!(!scanner.in_head());
        scanner.scan(b"GE").unwrap();
        assert!(scanner.in_head());
        scanner
            .scan(b"T / HTTP/1.1\r\nContent-Length: 2\r\n\r\n")
            .unwrap();
        assert!(!scanner.in_head() && scanner.in_body());
        scanner.scan(b"ab").unwrap();
        assert!(!scanner.in_head() && !scanner.in_body());
    }
}

//! Strictness of HTTP/1.1, in front of hyper.
//!
//! hyper repairs some heads before a service sees them: of `Content-Length` and `Transfer-Encoding`
//! together it drops the first, of two equal `Content-Length` lines the second. Another server on
//! the way may decide otherwise, which is how requests are smuggled (RFC 9112, section 11.2). A
//! [`Scanner`] follows the bytes that a client sends, on their way to hyper, and tells where they
//! stop being a request that every server frames alike. No byte of a head reaches hyper before the
//! whole head has been looked at:
//!
//! * the request line ([`request_line`]), every field line ([`field_line`]), lines that end in a bare
//!   LF or hold a bare CR (RFC 9112, section 2.2), the number and size of all of it;
//! * both `Content-Length` and `Transfer-Encoding` (section 6.1), or either of them twice, or a
//!   `Transfer-Encoding` in HTTP/1.0;
//! * the lines of chunked framing ([`chunk`]) and the trailer section.
//!
//! hyper stays the one that parses: should the two ever disagree, the scanner can only refuse.

mod chunk;
mod field_line;
mod request_line;

use http::StatusCode;
use zephyr_edge_pipeline::admission::Refusal;

use field_line::Field;
use request_line::RequestLine;

/// What is illegal, and what to answer.
pub(crate) type Violation = Refusal;

/// Empty lines before a request that are passed over (RFC 9112, section 2.2, asks for one).
const MAX_EMPTY_LINES: u32 = 8;

fn bad(detail: &'static str) -> Violation {
    Refusal::new(StatusCode::BAD_REQUEST, detail).closing()
}

/// How large a head, and a trailer section, may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// In bytes.
    pub(crate) bytes: usize,
    /// In field lines.
    pub(crate) fields: usize,
}

/// What of some bytes may go on to hyper.
#[derive(Debug)]
pub(crate) struct Scan {
    /// So many may. What follows them is the beginning of a head, or what `stop` says.
    pub(crate) passed: usize,
    /// Why no more will.
    pub(crate) stop: Option<Stop>,
}

/// Why scanning stops.
#[derive(Debug)]
pub(crate) enum Stop {
    /// After a head that asks for an upgrade: what follows may be another protocol.
    Upgrade,
    /// What follows is a request that is refused, of which hyper has seen nothing.
    Refused(Violation),
    /// In a body whose head hyper has.
    Broken(Violation),
}

/// Follows the framing of the requests on one connection.
#[derive(Debug)]
pub(crate) struct Scanner {
    limits: Limits,
    state: State,
    /// The beginning of a line that comes in pieces.
    line: Vec<u8>,
    /// Bytes and field lines of this head or trailer section so far.
    bytes: usize,
    fields: usize,
    empty_lines: u32,
    head: Head,
    /// Whether hyper has seen nothing of this request.
    in_hand: bool,
    /// Heads that were legal.
    heads: u64,
}

/// What a head says about framing.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    line: RequestLine,
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
    /// Whether its end has come.
    whole: bool,
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

impl Scanner {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: State::Start,
            line: Vec::new(),
            bytes: 0,
            fields: 0,
            empty_lines: 0,
            head: Head::default(),
            in_hand: false,
            heads: 0,
        }
    }

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

    /// Heads before the one that was refused.
    pub(crate) fn heads(&self) -> u64 {
        self.heads - u64::from(self.in_hand && self.head.whole)
    }

    /// Whether the request asked for no body, as far as its line was read.
    pub(crate) fn asks_for_head(&self) -> bool {
        self.head.line.head
    }

    /// Looks at the bytes that follow those seen before.
    pub(crate) fn scan(&mut self, bytes: &[u8]) -> Scan {
        let mut start = 0;
        match self.advance(bytes, &mut start) {
            Ok(None) => {
                let passed = if self.in_head() { start } else { bytes.len() };
                self.in_hand = self.in_head();
                Scan { passed, stop: None }
            }
            Ok(Some(end)) => {
                self.in_hand = false;
                Scan {
                    passed: end,
                    stop: Some(Stop::Upgrade),
                }
            }
            Err(violation) if self.in_hand => Scan {
                passed: start,
                stop: Some(Stop::Refused(violation)),
            },
            Err(violation) => Scan {
                passed: 0,
                stop: Some(Stop::Broken(violation)),
            },
        }
    }

    /// Says where a head with an upgrade ends, if one does; `start` is where the last request begins.
    fn advance(&mut self, bytes: &[u8], start: &mut usize) -> Result<Option<usize>, Violation> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            match self.state {
                State::Body(left) | State::Chunk(left) => {
                    let step = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    at += step;
                    let left = left - step as u64;
                    match self.state {
                        State::Body(_) if left == 0 => {
                            self.end_of_message();
                            *start = at;
                        }
                        State::Body(_) => self.state = State::Body(left),
                        _ if left == 0 => self.state = State::ChunkCr,
                        _ => self.state = State::Chunk(left),
                    }
                }
                State::ChunkCr | State::ChunkLf => {
                    let (expected, next) = match self.state {
                        State::ChunkCr => (b'\r', State::ChunkLf),
                        _ => (b'\n', State::ChunkSize),
                    };
                    if rest[0] != expected {
                        return Err(bad("A chunk is not as long as it says."));
                    }
                    at += 1;
                    self.state = next;
                }
                State::Start | State::Fields | State::ChunkSize | State::Trailers => {
                    self.in_hand |= self.state == State::Start;
                    let end = memchr::memchr(b'\n', rest);
                    let piece = &rest[..end.unwrap_or(rest.len())];
                    self.within_limits(piece.len() + 1)?;
                    if end.is_none() {
                        self.line.extend_from_slice(piece);
                        return Ok(None);
                    }
                    at += piece.len() + 1;
                    let was = self.state;
                    if self.line.is_empty() {
                        self.end_of_line(piece)?;
                    } else {
                        let mut line = std::mem::take(&mut self.line);
                        line.extend_from_slice(piece);
                        self.end_of_line(&line)?;
                    }
                    match (was, self.state) {
                        (State::Fields, State::Start) => {
                            if self.head.upgrade {
                                return Ok(Some(at));
                            }
                            *start = at;
                        }
                        (State::Trailers, State::Start) => *start = at,
                        _ => {}
                    }
                }
            }
        }
        Ok(None)
    }

    fn end_of_message(&mut self) {
        self.state = State::Start;
        self.in_hand = false;
        self.head.whole = false;
        self.head.line = RequestLine::default();
        (self.bytes, self.fields, self.empty_lines) = (0, 0, 0);
    }

    /// Counts the bytes of a line, or of its beginning.
    fn within_limits(&mut self, bytes: usize) -> Result<(), Violation> {
        if self.state == State::ChunkSize {
            let length = self.line.len() + bytes;
            return if length > chunk::MAX_LINE {
                Err(bad("A chunk's first line is too long."))
            } else {
                Ok(())
            };
        }
        self.bytes += bytes;
        if self.bytes <= self.limits.bytes {
            return Ok(());
        }
        Err(if self.state == State::Start {
            let detail = "The request line is longer than this server takes.";
            Refusal::new(StatusCode::URI_TOO_LONG, detail).closing()
        } else {
            too_large()
        })
    }

    /// Takes in a line without its LF.
    fn end_of_line(&mut self, line: &[u8]) -> Result<(), Violation> {
        let Some((b'\r', line)) = line.split_last() else {
            return Err(bad("A line ends without a carriage return."));
        };
        match self.state {
            State::Start if line.is_empty() => {
                self.empty_lines += 1;
                self.bytes = 0;
                if self.empty_lines > MAX_EMPTY_LINES {
                    return Err(bad("There are too many empty lines before the request."));
                }
                Ok(())
            }
            State::Start => {
                self.head = Head {
                    line: request_line::check(line)?,
                    ..Head::default()
                };
                self.state = State::Fields;
                Ok(())
            }
            State::Fields if line.is_empty() => {
                self.heads += 1;
                self.head.whole = true;
                (self.bytes, self.fields) = (0, 0);
                match self.head.length {
                    _ if self.head.chunked => self.state = State::ChunkSize,
                    Some(length @ 1..) => self.state = State::Body(length),
                    _ => self.end_of_message(),
                }
                // An upgrade of a request with a body is not taken up.
                self.head.upgrade &= self.state == State::Start;
                Ok(())
            }
            State::Fields => {
                self.count_field()?;
                self.framing(field_line::check(line)?)
            }
            State::ChunkSize => {
                self.state = match chunk::size(line) {
                    Some(0) => State::Trailers,
                    Some(size) => State::Chunk(size),
                    None => return Err(bad("A chunk's first line is illegal.")),
                };
                Ok(())
            }
            State::Trailers if line.is_empty() => {
                self.end_of_message();
                Ok(())
            }
            State::Trailers => {
                self.count_field()?;
                field_line::check_trailer(line)
            }
            State::Body(_) | State::Chunk(_) | State::ChunkCr | State::ChunkLf => Ok(()),
        }
    }

    fn count_field(&mut self) -> Result<(), Violation> {
        self.fields += 1;
        if self.fields > self.limits.fields {
            return Err(too_large());
        }
        Ok(())
    }

    /// RFC 9112, section 6.1 to 6.3.
    fn framing(&mut self, field: Field) -> Result<(), Violation> {
        let head = &mut self.head;
        let legal = match field {
            Field::Other => true,
            Field::Upgrade => {
                head.upgrade = true;
                true
            }
            Field::ContentLength(length) => !head.chunked && head.length.replace(length).is_none(),
            Field::Chunked if head.line.http10 => {
                return Err(bad("HTTP/1.0 knows no Transfer-Encoding."));
            }
            Field::Chunked => head.length.is_none() && !std::mem::replace(&mut head.chunked, true),
        };
        if legal {
            return Ok(());
        }
        Err(bad("The length of the body is given more than once."))
    }
}

/// RFC 6585, section 5.
fn too_large() -> Violation {
    let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    Refusal::new(status, "The header fields are more than this server takes.").closing()
}

#[cfg(test)]
mod tests;

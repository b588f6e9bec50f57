//! Lines of a head or of chunked framing, and what they say about framing.

/// As much of a line is kept when it comes in pieces. No legal framing line is longer.
const KEPT: usize = 512;

/// The beginning of a line that comes in pieces, and its last byte.
#[derive(Debug, Default)]
pub(super) struct Line {
    kept: Vec<u8>,
}

impl Line {
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Adds a piece. Past [`KEPT`] bytes only the last byte is kept up to date.
    pub(super) fn push(&mut self, piece: &[u8]) {
        let room = KEPT.saturating_sub(self.kept.len());
        self.kept.extend_from_slice(&piece[..piece.len().min(room)]);
        if piece.len() > room
            && let (Some(last), Some(&newest)) = (self.kept.last_mut(), piece.last())
        {
            *last = newest;
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.kept
    }

    /// Empty again, with its memory.
    pub(super) fn reused(mut self) -> Self {
        self.kept.clear();
        self
    }
}

/// Whether the target in a request line holds a fragment. In a method `#` is legal.
pub(super) fn has_fragment(line: &[u8]) -> bool {
    let target = memchr::memchr(b' ', line).map_or(&[][..], |space| &line[space..]);
    memchr::memchr(b'#', target).is_some()
}

/// What a field line says about framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// Nothing.
    Other,
    /// A length.
    ContentLength(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// It continues the line before (RFC 9112, section 5.2).
    Folded,
    /// It is about framing, and against the rules.
    Illegal,
}

/// Reads a field line, without its CRLF.
pub(super) fn field(line: &[u8]) -> Field {
    match line.first() {
        Some(b' ' | b'\t') => Field::Folded,
        Some(b'c' | b'C') => match value(line, b"content-length") {
            Some(value) => content_length(value).map_or(Field::Illegal, Field::ContentLength),
            None => Field::Other,
        },
        Some(b't' | b'T') => match value(line, b"transfer-encoding") {
            Some(value) if value.eq_ignore_ascii_case(b"chunked") => Field::Chunked,
            Some(_) => Field::Illegal,
            None => Field::Other,
        },
        _ => Field::Other,
    }
}

/// The value of the field when it has that name. Space before the colon is kept in the value, with
/// the colon, so that it is illegal.
fn value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = line.split_at_checked(name.len())?;
    if !start.eq_ignore_ascii_case(name) {
        return None;
    }
    match rest.first()? {
        b':' => Some(rest[1..].trim_ascii()),
        b' ' | b'\t' => Some(rest),
        _ => None,
    }
}

fn content_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// The size in a chunk's first line, without its CRLF (RFC 9112, section 7.1).
pub(super) fn chunk_size(line: &[u8]) -> Option<u64> {
    let end = line
        .iter()
        .position(|byte| !byte.is_ascii_hexdigit())
        .unwrap_or(line.len());
    let (digits, extension) = line.split_at(end);
    let legal = |byte: &u8| (0x20..0x7f).contains(byte) || *byte == b'\t' || *byte >= 0x80;
    let starts = extension.is_empty() || extension[0] == b';';
    if !(1..=16).contains(&digits.len())
        || extension.len() > 256
        || !starts
        || !extension.iter().all(legal)
    {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

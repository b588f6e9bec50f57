//! Field lines of heads and trailer sections (RFC 9112, section 5), and what they say about framing.

use http::StatusCode;
use zephyr_edge_pipeline::admission::Refusal;

use super::{Violation, bad};

/// What a field line says about framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// Nothing.
    Other,
    /// A length.
    ContentLength(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// `Upgrade`, whatever to.
    Upgrade,
}

/// Fields that a trailer section must not hold, since they are about framing, routing, who asks, or
/// how to read what came before (RFC 9110, section 6.5.1).
const NOT_IN_TRAILERS: [&str; 16] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "cache-control",
];

/// Characters of a token (RFC 9110, section 5.6.2).
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    let others = b"!#$%&'*+-.^_`|~";
    while at < 256 {
        let byte = at as u8;
        table[at] = byte.is_ascii_alphanumeric();
        let mut other = 0;
        while other < others.len() {
            table[at] |= byte == others[other];
            other += 1;
        }
        at += 1;
    }
    table
};

pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| TOKEN[usize::from(*byte)])
}

/// Name and value of a field line, without its CRLF.
fn split(line: &[u8]) -> Result<(&[u8], &[u8]), Violation> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(bad("A field line begins with white space."));
    }
    let colon = memchr::memchr(b':', line).ok_or(bad("A field line has no colon."))?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if !is_token(name) {
        return Err(bad("A field name is not a token."));
    }
    // Section 5.5 of RFC 9110.
    let legal = |byte: &u8| matches!(byte, b'\t' | 0x20..=0x7e | 0x80..);
    if !value.iter().all(legal) {
        return Err(bad("A field value holds a control character."));
    }
    Ok((name, value))
}

/// Checks a field line of a head.
pub(super) fn check(line: &[u8]) -> Result<Field, Violation> {
    let (name, value) = split(line)?;
    match name.len() {
        7 if name.eq_ignore_ascii_case(b"upgrade") => Ok(Field::Upgrade),
        14 if name.eq_ignore_ascii_case(b"content-length") => {
            let length = content_length(value.trim_ascii());
            let length = length.ok_or(bad("The Content-Length is not a number."))?;
            Ok(Field::ContentLength(length))
        }
        17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
            transfer_encoding(value.trim_ascii()).map(|()| Field::Chunked)
        }
        _ => Ok(Field::Other),
    }
}

/// Checks a field line of a trailer section.
pub(super) fn check_trailer(line: &[u8]) -> Result<(), Violation> {
    let (name, _) = split(line)?;
    if NOT_IN_TRAILERS
        .iter()
        .any(|forbidden| name.eq_ignore_ascii_case(forbidden.as_bytes()))
    {
        return Err(bad("A trailer field is one that must not be a trailer."));
    }
    Ok(())
}

/// Digits alone (RFC 9110, section 8.6): no list, though section 6.3 of RFC 9112 would allow one of
/// equal values.
fn content_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let length: u64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    i64::try_from(length).is_ok().then_some(length)
}

/// `chunked` and nothing else. Other codings are known to nobody and get 501, if `chunked` stands
/// where it must (RFC 9112, section 6.1).
fn transfer_encoding(value: &[u8]) -> Result<(), Violation> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    let mut codings = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let last = codings.next_back();
    let chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let others = codings.clone().count() > 0
        && codings.all(|coding| {
            is_token(coding) && !chunked(coding) && !coding.eq_ignore_ascii_case(b"identity")
        });
    if last.is_some_and(chunked) && others {
        let detail = "This server knows no transfer coding but chunked.";
        return Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, detail).closing());
    }
    Err(bad("The Transfer-Encoding is illegal."))
}

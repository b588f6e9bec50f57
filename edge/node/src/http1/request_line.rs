//! The request line (RFC 9112, section 3).

use http::StatusCode;
use zephyr_edge_pipeline::admission::Refusal;

use super::{Violation, bad, field_line};

/// No method is longer.
const MAX_METHOD: usize = 64;
/// What hyper can take in.
const MAX_TARGET: usize = 65_000;

/// What matters of a request line for framing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RequestLine {
    /// Whether it is of HTTP/1.0.
    pub(super) http10: bool,
    /// Whether the method is HEAD.
    pub(super) head: bool,
}

/// Checks a request line, without its CRLF: three parts with one space between them each.
pub(super) fn check(line: &[u8]) -> Result<RequestLine, Violation> {
    let space = memchr::memchr(b' ', line).ok_or(bad("The request line has no target."))?;
    let (method, rest) = (&line[..space], &line[space + 1..]);
    if !field_line::is_token(method) {
        return Err(bad("The method is not a token."));
    }
    if method.len() > MAX_METHOD {
        let detail = "This server knows no method of that length.";
        return Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, detail).closing());
    }
    let space = memchr::memchr(b' ', rest);
    let space = space.ok_or(bad("The request line has no protocol version."))?;
    let (target, version) = (&rest[..space], &rest[space + 1..]);
    check_target(method, target)?;
    let http10 = match version {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        // Section 2.6 of RFC 9110: major versions apart are no versions of one protocol; of minor
        // ones this server knows two.
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            let detail = "This server does not speak that version of HTTP.";
            let status = StatusCode::HTTP_VERSION_NOT_SUPPORTED;
            return Err(Refusal::new(status, detail).closing());
        }
        _ => return Err(bad("The protocol version is illegal.")),
    };
    let head = method == b"HEAD";
    Ok(RequestLine { http10, head })
}

/// Section 3.2: one of four forms, of visible ASCII. What stands in path and query is judged later,
/// for all protocols alike (`zephyr_edge_pipeline::target`).
fn check_target(method: &[u8], target: &[u8]) -> Result<(), Violation> {
    if target.len() > MAX_TARGET {
        let detail = "The request target is longer than this server takes.";
        return Err(Refusal::new(StatusCode::URI_TOO_LONG, detail).closing());
    }
    // The last four are what hyper would refuse without a word.
    let legal = |byte: &u8| matches!(byte, 0x21..=0x7e) && !b"\"<>`".contains(byte);
    if !target.iter().all(legal) {
        return Err(bad("The request target holds an illegal character."));
    }
    if memchr::memchr(b'#', target).is_some() {
        return Err(bad("The request target holds a fragment."));
    }
    match target.first() {
        Some(b'/') if method != b"CONNECT" => Ok(()),
        _ if target == b"*" && method == b"OPTIONS" => Ok(()),
        _ => {
            let uri = http::Uri::try_from(target).ok();
            let form = uri.as_ref().is_some_and(|uri| {
                if method == b"CONNECT" {
                    uri.authority().is_some() && uri.scheme().is_none()
                } else {
                    uri.authority().is_some() && uri.scheme().is_some()
                }
            });
            if form {
                Ok(())
            } else {
                Err(bad("The request target has none of the forms it may have."))
            }
        }
    }
}

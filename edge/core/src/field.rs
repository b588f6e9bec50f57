//! The rules for header fields, written out in `wit/filter.wit`, as code that every host shares.

use std::borrow::Cow;
use std::fmt;

/// Why a header field was not written. Nothing has changed when one is returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// The name is not a token (RFC 9110, section 5.6.2).
    InvalidName,
    /// The value holds a control character (RFC 9110, section 5.5).
    InvalidValue,
    /// The field belongs to the host.
    Forbidden,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidName => "the field name is not a token",
            Self::InvalidValue => "the field value holds a control character",
            Self::Forbidden => "the field belongs to the host",
        })
    }
}

impl std::error::Error for HeaderError {}

/// Fields that belong to one connection and never pass a proxy (RFC 9110, section 7.6.1), in lower
/// case. Fields that `connection` names come on top.
pub const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The longest value that a filter may write, in bytes.
pub const MAX_VALUE_BYTES: usize = 64 << 10;

/// The most field lines that a request or an answer may have for a filter to add one.
pub const MAX_LINES: usize = 500;

/// Whether a field belongs to one connection. `name` is in lower case.
#[must_use]
pub fn is_hop_by_hop(name: &str) -> bool {
    HOP_BY_HOP.contains(&name)
}

/// Whether a filter may write the field. `name` in any case.
///
/// # Errors
///
/// [`HeaderError::InvalidName`] or [`HeaderError::Forbidden`].
pub fn check_name(name: &str) -> Result<(), HeaderError> {
    if name.is_empty() || !name.bytes().all(is_token_byte) {
        return Err(HeaderError::InvalidName);
    }
    let mut belongs_to_host = HOP_BY_HOP.iter().chain(&["content-length", "host"]);
    if belongs_to_host.any(|known| name.eq_ignore_ascii_case(known)) {
        return Err(HeaderError::Forbidden);
    }
    Ok(())
}

/// Whether a filter may write the value.
///
/// # Errors
///
/// [`HeaderError::InvalidValue`].
pub fn check_value(value: &str) -> Result<(), HeaderError> {
    let control = |byte: u8| (byte < 0x20 && byte != b'\t') || byte == 0x7f;
    if value.bytes().any(control) {
        Err(HeaderError::InvalidValue)
    } else {
        Ok(())
    }
}

/// Whether a text can be path and query of a request (RFC 9112, section 3.2.1): it begins with `/`
/// and holds only visible ASCII, no `#`.
///
/// # Errors
///
/// [`HeaderError::InvalidValue`].
pub fn check_target(target: &str) -> Result<(), HeaderError> {
    let legal = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    if target.starts_with('/') && target.bytes().all(legal) {
        Ok(())
    } else {
        Err(HeaderError::InvalidValue)
    }
}

/// A value as text: UTF-8 as it is, any other bytes as ISO 8859-1.
#[must_use]
pub fn value_to_str(value: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(value) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(value.iter().copied().map(char::from).collect()),
    }
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_belong_to_the_host_are_forbidden() {
        for name in ["Connection", "TE", "content-length", "HOST", "upgrade"] {
            assert_eq!(check_name(name), Err(HeaderError::Forbidden), "{name}");
        }
        for name in ["", "a b", "a:b", "ä", "a\r\n"] {
            assert_eq!(check_name(name), Err(HeaderError::InvalidName), "{name:?}");
        }
        assert_eq!(check_name("x-zephyr-user"), Ok(()));
    }

    #[test]
    fn a_value_cannot_end_a_field_line() {
        assert_eq!(check_value("a\r\nb: c"), Err(HeaderError::InvalidValue));
        assert_eq!(check_value("a\0"), Err(HeaderError::InvalidValue));
        assert_eq!(check_value("tab\tand ünïcode"), Ok(()));
    }

    #[test]
    fn reading_never_fails() {
        assert_eq!(value_to_str(b"plain"), "plain");
        assert_eq!(value_to_str("ü".as_bytes()), "ü");
        assert_eq!(value_to_str(&[b'a', 0xff]), "a\u{ff}");
    }

    #[test]
    fn a_target_is_in_origin_form() {
        assert_eq!(check_target("/a?b=c"), Ok(()));
        for target in ["", "a", "/a b", "/a#b", "/ü", "http://x/"] {
            assert_eq!(
                check_target(target),
                Err(HeaderError::InvalidValue),
                "{target}"
            );
        }
    }
}

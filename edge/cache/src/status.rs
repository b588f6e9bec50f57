//! `Cache-Status` (RFC 9211): what the cache did, for whoever looks.

/// The cache's name in the field.
pub const NAME: &str = "Zephyr";

/// One member of the field, this cache's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status<'a> {
    /// The answer came from the store and the request went nowhere (section 2.1); `forward` is none.
    pub hit: bool,
    /// Why the request went on (section 2.2): `uri-miss`, `vary-miss`, `stale`, `request`, `method`,
    /// `bypass`.
    pub forward: Option<&'static str>,
    /// What the upstream answered (section 2.3).
    pub forward_status: Option<u16>,
    /// Seconds of freshness left; negative when stale (section 2.4).
    pub ttl: Option<i64>,
    /// The answer is being stored (section 2.5).
    pub stored: bool,
    /// Another request's answer was waited for (section 2.6).
    pub collapsed: bool,
    /// More, as a token (section 2.8).
    pub detail: Option<&'a str>,
}

impl Status<'_> {
    /// Appends the member's text.
    pub fn append(&self, text: &mut Vec<u8>) {
        text.extend_from_slice(NAME.as_bytes());
        if self.hit {
            text.extend_from_slice(b"; hit");
        }
        if let Some(forward) = self.forward {
            text.extend_from_slice(b"; fwd=");
            text.extend_from_slice(forward.as_bytes());
        }
        if let Some(status) = self.forward_status {
            text.extend_from_slice(b"; fwd-status=");
            append_number(text, i64::from(status));
        }
        if let Some(ttl) = self.ttl {
            text.extend_from_slice(b"; ttl=");
            append_number(text, ttl);
        }
        if self.stored {
            text.extend_from_slice(b"; stored");
        }
        if self.collapsed {
            text.extend_from_slice(b"; collapsed");
        }
        if let Some(detail) = self.detail {
            text.extend_from_slice(b"; detail=");
            if is_token(detail) {
                text.extend_from_slice(detail.as_bytes());
            } else {
                append_string(text, detail);
            }
        }
    }
}

/// A String of structured fields (RFC 9651, section 3.3.3), without what one cannot hold and what would
/// have to be escaped.
pub(crate) fn append_string(text: &mut Vec<u8>, string: &str) {
    text.push(b'"');
    let plain = |byte: &u8| (b' '..=b'~').contains(byte) && !b"\"\\".contains(byte);
    text.extend(string.bytes().filter(plain));
    text.push(b'"');
}

/// Decimal digits, without the machinery of formatting: every hit has one.
fn append_number(text: &mut Vec<u8>, number: i64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut left = number.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    if number < 0 {
        text.push(b'-');
    }
    text.extend_from_slice(&digits[at..]);
}

/// A Token of structured fields (RFC 9651, section 3.3.4).
fn is_token(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'*')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(status: &Status<'_>) -> String {
        let mut text = Vec::new();
        status.append(&mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_member_tells_what_was_done() {
        let hit = |ttl| {
            text(&Status {
                hit: true,
                ttl: Some(ttl),
                ..Status::default()
            })
        };
        assert_eq!(hit(30), "Zephyr; hit; ttl=30");
        assert_eq!(hit(0), "Zephyr; hit; ttl=0");
        assert_eq!(hit(-1234567890), "Zephyr; hit; ttl=-1234567890");
        assert_eq!(hit(i64::MIN), format!("Zephyr; hit; ttl={}", i64::MIN));
        let waited = Status {
            forward: Some("uri-miss"),
            collapsed: true,
            ..Status::default()
        };
        assert_eq!(text(&waited), "Zephyr; fwd=uri-miss; collapsed");
        let miss = Status {
            forward: Some("uri-miss"),
            forward_status: Some(200),
            stored: true,
            detail: Some("a \"b\"\n"),
            ..Status::default()
        };
        assert_eq!(
            text(&miss),
            "Zephyr; fwd=uri-miss; fwd-status=200; stored; detail=\"a b\""
        );
    }
}

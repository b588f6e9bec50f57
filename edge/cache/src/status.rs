//! `Cache-Status` (RFC 9211): what the cache did, for whoever looks.

use std::fmt::Write as _;

/// The cache's name in the field.
pub const NAME: &str = "Zephyr";

/// One member of the field, this cache's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status<'a> {
    /// The answer came from the store (section 2.1).
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
    /// The member's text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::with_capacity(48);
        text.push_str(NAME);
        if self.hit {
            text.push_str("; hit");
        }
        if let Some(forward) = self.forward {
            text.push_str("; fwd=");
            text.push_str(forward);
        }
        if let Some(status) = self.forward_status {
            let _ = write!(text, "; fwd-status={status}");
        }
        if let Some(ttl) = self.ttl {
            let _ = write!(text, "; ttl={ttl}");
        }
        if self.stored {
            text.push_str("; stored");
        }
        if self.collapsed {
            text.push_str("; collapsed");
        }
        if let Some(detail) = self.detail {
            if is_token(detail) {
                let _ = write!(text, "; detail={detail}");
            } else {
                let plain = detail
                    .chars()
                    .filter(|c| (' '..='~').contains(c) && !"\"\\".contains(*c));
                let _ = write!(text, "; detail=\"{}\"", plain.collect::<String>());
            }
        }
        text
    }
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

    #[test]
    fn a_member_tells_what_was_done() {
        let hit = Status {
            hit: true,
            ttl: Some(30),
            ..Status::default()
        };
        assert_eq!(hit.to_text(), "Zephyr; hit; ttl=30");
        let miss = Status {
            forward: Some("uri-miss"),
            forward_status: Some(200),
            stored: true,
            detail: Some("a \"b\""),
            ..Status::default()
        };
        assert_eq!(
            miss.to_text(),
            "Zephyr; fwd=uri-miss; fwd-status=200; stored; detail=\"a b\""
        );
    }
}

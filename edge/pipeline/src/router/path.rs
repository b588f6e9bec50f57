//! Patterns of paths.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

/// A pattern of paths: literal segments, `{name}` for one segment, `{*rest}` for all that follow
/// (at least one character).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern(String);

impl PathPattern {
    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PathPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = |why: &str| Err(format!("{text:?} is not a path pattern: {why}"));
        let Some(rest) = text.strip_prefix('/') else {
            return refuse("it must begin with `/`");
        };
        if text.len() > 1024 {
            return refuse("it is longer than 1024 bytes");
        }
        let mut names = BTreeSet::new();
        let mut segments = rest.split('/').peekable();
        while let Some(segment) = segments.next() {
            let Some(name) = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) else {
                if !segment.bytes().all(is_literal_byte) {
                    return refuse("a segment is `{name}`, `{*rest}` or text as sent in a request");
                }
                if matches!(segment, "." | "..") {
                    return refuse("requests with dot segments are refused");
                }
                continue;
            };
            let (name, catch_all) = match name.strip_prefix('*') {
                Some(name) => (name, true),
                None => (name, false),
            };
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                return refuse("a name in braces is letters, digits and `_`");
            }
            if !names.insert(name) {
                return refuse("a name comes twice");
            }
            if catch_all && segments.peek().is_some() {
                return refuse("`{*rest}` must be the last segment");
            }
        }
        Ok(Self(text.to_owned()))
    }
}

/// What a path segment holds in a request (RFC 3986, section 3.3), without the braces that are the
/// pattern's own.
fn is_literal_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%".contains(&byte)
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PathPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_patterns() {
        for good in [
            "/",
            "/a",
            "/a/{b}",
            "/a/{b}/c/{*rest}",
            "/.well-known/jwks.json",
            "/a%20b",
        ] {
            assert!(good.parse::<PathPattern>().is_ok(), "{good}");
        }
        for bad in [
            "", "a", "/{}", "/{*}", "/{*a}/b", "/a{b}", "/{a}/{a}", "/a b", "/../a", "/a?b", "/ü",
            "/{a-b}", "/{a",
        ] {
            assert!(bad.parse::<PathPattern>().is_err(), "{bad}");
        }
    }
}

//! Path and method patterns that policies and the router share.
//!
//! A path pattern is written as in `zephyr.toml`: literal segments, `{name}` for exactly one
//! segment, and `{*name}` at the end for all that follow (at least one). `/a/{id}` matches `/a/1`,
//! not `/a/`, `/a` or `/a/1/2`.
//!
//! Rules of access hang on patterns, so a request must not slip past one by spelling its path in
//! another way:
//!
//! * a percent-encoded unreserved character is that character (RFC 3986, section 6.2.2.2), and the
//!   hex digits' case does not matter (6.2.2.1);
//! * a segment `.` or `..`, encoded or not, is matched by nothing: an upstream may resolve it
//!   (see [`has_dot_segments`]).

mod request;
mod spelling;

use std::fmt;

use serde::Deserialize;

pub use request::{Methods, RequestMatch};
pub use spelling::{has_dot_segments, normal_form};

/// A pattern for the path of a request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PathPattern {
    segments: Vec<Segment>,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Param(String),
    /// Only the last one.
    Rest(String),
}

/// Why a pattern was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError(String);

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PatternError {}

impl TryFrom<String> for PathPattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        Self::parse(&text)
    }
}

// === impl PathPattern ===

impl PathPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// The error repeats the pattern and says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let wrong = |why: &str| PatternError(format!("path pattern {text:?} {why}"));
        let Some(path) = text.strip_prefix('/') else {
            return Err(wrong("must begin with \"/\""));
        };
        let legal = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'\\');
        if text.len() > 1024 || !path.bytes().all(legal) {
            return Err(wrong(
                "must be at most 1024 visible ASCII characters without ?, # and \\",
            ));
        }
        let mut segments: Vec<Segment> = Vec::new();
        for part in path.split('/') {
            if let Some(Segment::Rest(name)) = segments.last() {
                return Err(wrong(&format!("must end with {{*{name}}}")));
            }
            let segment = match part
                .strip_prefix('{')
                .and_then(|inner| inner.strip_suffix('}'))
            {
                Some(inner) => {
                    let rest = inner.strip_prefix('*');
                    let name = rest.unwrap_or(inner);
                    if !is_name(name) {
                        return Err(wrong(
                            "has a parameter whose name is not letters, digits, _",
                        ));
                    }
                    let named = |segment: &Segment| segment.name() == Some(name);
                    if segments.iter().any(named) {
                        return Err(wrong(&format!("names {{{name}}} twice")));
                    }
                    let name = name.to_owned();
                    if rest.is_some() {
                        Segment::Rest(name)
                    } else {
                        Segment::Param(name)
                    }
                }
                None if part.contains(['{', '}']) => {
                    return Err(wrong("has a parameter that is not a whole segment"));
                }
                None if has_dot_segments(part) => return Err(wrong("has a dot segment")),
                None => Segment::Literal(normal_form(part)),
            };
            segments.push(segment);
        }
        Ok(Self {
            segments,
            text: text.to_owned(),
        })
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names of its parameters, in order.
    pub fn params(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(Segment::name)
    }

    /// Whether a request's path, without the query, matches. Allocates nothing.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        self.walk(path, |_, _| {})
    }

    /// What the parameters stand for in a path that matches, percent-encoding untouched.
    #[must_use]
    pub fn captures<'s, 'p>(&'s self, path: &'p str) -> Option<Captures<'s, 'p>> {
        let mut found = Vec::new();
        self.walk(path, |name, value| found.push((name, value)))
            .then_some(Captures(found))
    }

    /// How narrow the pattern is: of two that match a path, the one with the greater value is
    /// meant. Literals before parameters before the rest, compared segment by segment; then the
    /// longer pattern.
    #[must_use]
    pub fn specificity(&self) -> Vec<u8> {
        let mut ranks: Vec<u8> = self.segments.iter().map(Segment::rank).collect();
        // A pattern that ends is narrower than one that goes on with `{*rest}`, and that is narrower
        // than nothing at all.
        if !matches!(self.segments.last(), Some(Segment::Rest(_))) {
            ranks.push(1);
        }
        ranks
    }

    fn walk<'s, 'p>(&'s self, path: &'p str, mut found: impl FnMut(&'s str, &'p str)) -> bool {
        let Some(mut left) = path.strip_prefix('/') else {
            return false;
        };
        let last = self.segments.len() - 1;
        for (index, segment) in self.segments.iter().enumerate() {
            let (part, rest) = match left.split_once('/') {
                Some((part, rest)) => (part, Some(rest)),
                None => (left, None),
            };
            match segment {
                Segment::Literal(literal) => {
                    if !spelling::Normal::of(part).eq(literal.bytes()) {
                        return false;
                    }
                }
                Segment::Param(name) => {
                    if part.is_empty() || has_dot_segments(part) {
                        return false;
                    }
                    found(name, part);
                }
                Segment::Rest(name) => {
                    found(name, left);
                    return !left.is_empty() && !has_dot_segments(left);
                }
            }
            match rest {
                Some(rest) if index < last => left = rest,
                None if index == last => return true,
                _ => return false,
            }
        }
        false
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Segment {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Literal(_) => None,
            Self::Param(name) | Self::Rest(name) => Some(name),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Literal(_) => 3,
            Self::Param(_) => 2,
            Self::Rest(_) => 0,
        }
    }
}

/// What the parameters of a pattern stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captures<'s, 'p>(Vec<(&'s str, &'p str)>);

impl<'p> Captures<'_, 'p> {
    /// The text that a parameter stands for.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'p str> {
        self.0
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| *value)
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> PathPattern {
        PathPattern::parse(text).unwrap()
    }

    #[test]
    fn segments_match_one_by_one() {
        let cases = [
            ("/", "/", true),
            ("/", "/a", false),
            ("/a", "/a", true),
            ("/a", "/a/", false),
            ("/a", "/b", false),
            ("/a", "/A", false),
            ("/a/", "/a/", true),
            ("/a/", "/a", false),
            ("/a/{id}", "/a/1", true),
            ("/a/{id}", "/a/", false),
            ("/a/{id}", "/a", false),
            ("/a/{id}", "/a/1/2", false),
            ("/a/{id}/b", "/a/1/b", true),
            ("/a/{id}/b", "/a/1", false),
            ("/a/{*rest}", "/a/1/2/", true),
            ("/a/{*rest}", "/a/", false),
            ("/a/{*rest}", "/a", false),
            ("/{*rest}", "/a", true),
            ("/{*rest}", "/", false),
            ("/a", "", false),
            ("/a", "a", false),
            ("/a", "*", false),
        ];
        for (text, path, expected) in cases {
            assert_eq!(pattern(text).matches(path), expected, "{text} on {path}");
        }
    }

    #[test]
    fn another_spelling_of_a_path_does_not_slip_past() {
        let cases = [
            ("/admin", "/%61dmin", true),
            ("/admin", "/%61DMIN", false),
            ("/a%2fb", "/a%2Fb", true),
            ("/a%2Fb", "/a%2fb", true),
            ("/a%2Fb", "/a/b", false),
            ("/%61", "/a", true),
            ("/50%", "/50%", true),
            ("/50%2", "/50%2", true),
        ];
        for (text, path, expected) in cases {
            assert_eq!(pattern(text).matches(path), expected, "{text} on {path}");
        }
    }

    #[test]
    fn dot_segments_are_matched_by_nothing() {
        let spellings = [
            "..",
            ".",
            "%2e%2E",
            ".%2e",
            "x%2f..%2fy",
            "..%5Cx",
            "x/../y",
            "x/%2e",
            "..\\x",
        ];
        for dots in spellings {
            let path = format!("/public/{dots}");
            assert!(has_dot_segments(&path), "{path}");
            assert!(!pattern("/public/{*rest}").matches(&path), "{path}");
            assert!(!pattern("/public/{one}").matches(&path), "{path}");
        }
        for path in [
            "/a.b",
            "/...",
            "/.well-known/x",
            "/a..",
            "/%",
            "/%2",
            "/a%20b",
            "/",
            "",
        ] {
            assert!(!has_dot_segments(path), "{path}");
        }
    }

    #[test]
    fn captures_are_given_by_name() {
        let pattern = pattern("/users/{user}/files/{*path}");
        assert_eq!(pattern.params().collect::<Vec<_>>(), ["user", "path"]);
        let captures = pattern.captures("/users/a%20b/files/c/d").unwrap();
        assert_eq!(captures.get("user"), Some("a%20b"));
        assert_eq!(captures.get("path"), Some("c/d"));
        assert_eq!(captures.get("other"), None);
        assert_eq!(pattern.captures("/users/a"), None);
    }

    #[test]
    fn the_narrower_pattern_wins() {
        let order = [
            "/{*rest}",
            "/{a}",
            "/a/{*rest}",
            "/a/{b}/{*rest}",
            "/a/{b}",
            "/a/b/{*rest}",
            "/a/b",
        ];
        for pair in order.windows(2) {
            let (wide, narrow) = (pattern(pair[0]), pattern(pair[1]));
            assert!(
                wide.specificity() < narrow.specificity(),
                "{wide} < {narrow}"
            );
        }
    }

    #[test]
    fn bad_patterns_are_refused_with_a_reason() {
        let cases = [
            ("", "must begin with"),
            ("a", "must begin with"),
            ("/a b", "visible ASCII"),
            ("/a?b", "visible ASCII"),
            ("/ü", "visible ASCII"),
            ("/{}", "name is not"),
            ("/{*}", "name is not"),
            ("/{a-b}", "name is not"),
            ("/x{a}", "whole segment"),
            ("/{a}.jpg", "whole segment"),
            ("/{*rest}/a", "must end with {*rest}"),
            ("/{a}/{a}", "{a} twice"),
            ("/a/../b", "dot segment"),
            ("/%2e", "dot segment"),
        ];
        for (text, why) in cases {
            let error = PathPattern::parse(text).unwrap_err().to_string();
            assert!(
                error.contains(why) && error.contains(&format!("{text:?}")),
                "{error}"
            );
        }
    }
}

//! Patterns for the names of query parameters: `*` stands for any text, also none.

use serde::Deserialize;

/// A pattern such as `utm_*`. Case matters.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Glob(String);

impl TryFrom<String> for Glob {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.is_empty() || text.len() > 128 || text.chars().any(char::is_control) {
            return Err(format!(
                "{text:?} is not 1 to 128 characters of a parameter's name"
            ));
        }
        Ok(Self(text))
    }
}

impl Glob {
    /// Whether a name, percent-decoded, is meant.
    pub(crate) fn matches(&self, name: &[u8]) -> bool {
        let pattern = self.0.as_bytes();
        // Where the last star was, and how far the text had come there.
        let mut star = None;
        let (mut p, mut n) = (0, 0);
        while n < name.len() {
            if pattern.get(p) == Some(&b'*') {
                star = Some((p, n));
                p += 1;
            } else if pattern.get(p) == Some(&name[n]) {
                (p, n) = (p + 1, n + 1);
            } else if let Some((at, from)) = star {
                // The star takes one more.
                star = Some((at, from + 1));
                (p, n) = (at + 1, from + 1);
            } else {
                return false;
            }
        }
        pattern[p..].iter().all(|byte| *byte == b'*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text() {
        let cases = [
            ("utm_*", "utm_source", true),
            ("utm_*", "utm_", true),
            ("utm_*", "utm", false),
            ("utm_*", "xutm_a", false),
            ("*", "", true),
            ("*", "a", true),
            ("*id", "gclid", true),
            ("*id", "idx", false),
            ("a*b*c", "aXbXbc", true),
            ("a*b*c", "aXcXb", false),
            ("a", "a", true),
            ("a", "A", false),
            ("a", "ab", false),
            ("a**", "a", true),
        ];
        for (glob, name, expected) in cases {
            let glob = Glob::try_from(glob.to_owned()).unwrap();
            assert_eq!(
                glob.matches(name.as_bytes()),
                expected,
                "{glob:?} on {name:?}"
            );
        }
    }
}

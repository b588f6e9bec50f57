//! Entity tags (RFC 9110, section 8.8.3): made of the source's and of all that shapes the answer.

use std::fmt::Write as _;

use crate::accept::Accept;
use crate::params::Params;

/// Raised when the same request would give other bytes, so that no old answer passes for new.
const REVISION: u8 = 1;

/// The tag of the answer to a request for a source with this tag. It tells apart what `Accept`
/// says rather than the format that comes of it, so that it is known before the source is read.
#[must_use]
pub fn of(source: &[u8], params: &Params, accept: Option<&Accept>) -> String {
    let mut hash = Fnv::new();
    hash.add(&[REVISION]);
    hash.add(source);
    hash.add(format!("{params:?}").as_bytes());
    hash.add(
        accept
            .map(Accept::class)
            .as_ref()
            .map_or(&[], |class| &class[..]),
    );
    hash.tag()
}

/// The tag of a source that has none of its own.
#[must_use]
pub fn of_bytes(bytes: &[u8]) -> String {
    let mut hash = Fnv::new();
    hash.add(bytes);
    hash.tag()
}

/// Whether an `If-None-Match` field has this tag; weak and strong are the same here (RFC 9110,
/// section 13.1.2).
#[must_use]
pub fn matches(field: &str, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    field.trim() == "*"
        || field
            .split(',')
            .any(|candidate| opaque(candidate) == opaque(tag))
}

/// FNV-1a with 128 bits. No secret hangs on it: who can choose the source can change the image.
struct Fnv(u128);

impl Fnv {
    fn new() -> Self {
        Self(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }

    /// Adds a part and its length, so that parts cannot run into each other.
    fn add(&mut self, part: &[u8]) {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        for byte in part.iter().copied().chain(length.to_be_bytes()) {
            self.0 = (self.0 ^ u128::from(byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b);
        }
    }

    fn tag(&self) -> String {
        let mut tag = String::with_capacity(34);
        // Writing to a string does not fail.
        let _ = write!(tag, "\"{:032x}\"", self.0);
        tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_shapes_the_answer_changes_the_tag() {
        let tag = |source: &str, query: &str, accept: Option<&str>| {
            let params = Params::parse(Some(query)).unwrap();
            of(
                source.as_bytes(),
                &params,
                accept.map(|field| Accept::parse(Some(field))).as_ref(),
            )
        };
        let tags = [
            tag("\"1\"", "", None),
            tag("\"2\"", "", None),
            tag("\"1\"", "w=1", None),
            tag("\"1\"", "h=1", None),
            tag("\"1\"", "crop=0,0,1,1", None),
            tag("\"1\"", "q=1", None),
            tag("\"1\"", "upscale=true", None),
            tag("\"1\"", "format=png", None),
            tag("\"1\"", "w=1&h=1&fit=fill", None),
            tag("\"1\"", "w=1&h=1&fit=cover", None),
            tag("\"1\"", "w=1&h=1&fit=cover&crop=top", None),
            tag("\"1\"", "", Some("image/webp")),
            tag("\"1\"", "", Some("*/*")),
        ];
        for (n, tag) in tags.iter().enumerate() {
            assert!(!tags[..n].contains(tag), "{n}");
            assert!(tag.len() == 34 && tag.starts_with('"') && tag.ends_with('"'));
        }
        assert_eq!(tag("\"1\"", "w=1&h=2", None), tag("\"1\"", "h=2&w=1", None));
        assert_eq!(
            tag("\"1\"", "", Some("a/b, */*")),
            tag("\"1\"", "", Some("*/*"))
        );
    }

    #[test]
    fn if_none_match_is_a_list_or_a_star() {
        assert!(matches("\"a\"", "\"a\""));
        assert!(matches("\"x\", W/\"a\" ,\"y\"", "\"a\""));
        assert!(matches(" * ", "\"a\""));
        assert!(!matches("\"A\"", "\"a\""));
        assert!(!matches("", "\"a\""));
    }
}

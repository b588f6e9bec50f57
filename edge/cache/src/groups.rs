//! Names under which answers can be dropped: `Surrogate-Key`, `Cache-Tag` and cache groups
//! (RFC 9875).

use http::{HeaderMap, HeaderName};
use zephyr_edge_core::cache_policy::is_surrogate_key;

use crate::structured::{self, Item};

/// Space-separated keys; for the cache, not for clients.
pub const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");
/// Comma-separated keys; for the cache, not for clients.
pub const CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");
/// RFC 9875, section 2.
pub const CACHE_GROUPS: HeaderName = HeaderName::from_static("cache-groups");
/// RFC 9875, section 3.
pub const CACHE_GROUP_INVALIDATION: HeaderName =
    HeaderName::from_static("cache-group-invalidation");

/// Most names of one kind that one answer has; further ones are left out.
const MAX: usize = 256;
/// The longest name of a group that is kept (RFC 9875, section 2 asks for at least 32).
const MAX_GROUP_LENGTH: usize = 256;

/// The surrogate keys of an answer, once each.
#[must_use]
pub fn surrogate_keys(response: &HeaderMap) -> Vec<String> {
    let mut keys = Vec::new();
    for (name, separators) in [(SURROGATE_KEY, &[' ', '\t'][..]), (CACHE_TAG, &[','])] {
        for line in response
            .get_all(name)
            .iter()
            .filter_map(|line| line.to_str().ok())
        {
            for key in line
                .split(separators)
                .map(str::trim)
                .filter(|key| is_surrogate_key(key))
            {
                add(&mut keys, key);
            }
        }
    }
    keys
}

/// The groups that an answer is in. A group is one of its origin: two origins' groups of the same
/// name have nothing to do with each other (RFC 9875, section 2).
#[must_use]
pub fn of(response: &HeaderMap) -> Vec<String> {
    strings(response, &CACHE_GROUPS)
}

/// The groups that a write drops. Only answers to unsafe methods may (RFC 9875, section 3).
#[must_use]
pub fn invalidated(response: &HeaderMap) -> Vec<String> {
    strings(response, &CACHE_GROUP_INVALIDATION)
}

fn add(names: &mut Vec<String>, name: &str) {
    if names.len() < MAX && !names.iter().any(|known| known == name) {
        names.push(name.to_owned());
    }
}

/// A List of Strings (RFC 9651, sections 3.1 and 3.3.3); parameters are ignored. A field that is not
/// one is ignored whole (section 4.2).
fn strings(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let lines: Option<Vec<&str>> = headers
        .get_all(name)
        .iter()
        .map(|line| line.to_str().ok())
        .collect();
    let items = lines.and_then(|lines| structured::list(&lines.join(",")));
    let mut names = Vec::new();
    for item in items.unwrap_or_default() {
        match item {
            Item::String(name) if (1..=MAX_GROUP_LENGTH).contains(&name.len()) => {
                add(&mut names, &name);
            }
            Item::String(_) => {}
            _ => return Vec::new(),
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields;

    #[test]
    fn all_spellings_are_read_once_each() {
        let headers = fields(&[
            ("surrogate-key", "a  b"),
            ("cache-tag", "b, c"),
            ("cache-groups", "\"c\";x=1, \"d\\\"e f\""),
            ("cache-groups", "\"g\", \"c\""),
        ]);
        assert_eq!(surrogate_keys(&headers), ["a", "b", "c"]);
        assert_eq!(of(&headers), ["c", "d\"e f", "g"]);
        assert!(invalidated(&headers).is_empty());
    }

    #[test]
    fn a_field_that_is_no_list_of_strings_is_ignored() {
        for text in ["a", "\"a", "\"a\" \"b\"", "\"a\", b", "\"\\a\"", "\"a\", 1"] {
            assert!(
                invalidated(&fields(&[("cache-group-invalidation", text)])).is_empty(),
                "{text}"
            );
        }
    }

    #[test]
    fn an_answer_has_so_many_names_and_no_more() {
        let many: Vec<String> = (0..1000).map(|n| format!("\"k{n}\"")).collect();
        assert_eq!(of(&fields(&[("cache-groups", &many.join(","))])).len(), MAX);
        let many = many.join(" ");
        assert_eq!(
            surrogate_keys(&fields(&[("surrogate-key", &many)])).len(),
            MAX
        );
    }
}

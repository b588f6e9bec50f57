//! Names under which answers can be dropped: `Surrogate-Key`, `Cache-Tag` and cache groups
//! (RFC 9875).

use http::{HeaderMap, HeaderName};
use zephyr_edge_core::cache_policy::is_surrogate_key;

/// Space-separated keys; for the cache, not for clients.
pub const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");
/// Comma-separated keys; for the cache, not for clients.
pub const CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");
/// RFC 9875, section 2.
pub const CACHE_GROUPS: HeaderName = HeaderName::from_static("cache-groups");
/// RFC 9875, section 3.
pub const CACHE_GROUP_INVALIDATION: HeaderName =
    HeaderName::from_static("cache-group-invalidation");

/// Most keys of one answer; further ones are left out.
const MAX: usize = 256;

/// All names of an answer, once each.
#[must_use]
pub fn of(response: &HeaderMap) -> Vec<String> {
    let mut keys = Vec::new();
    for (name, separators) in [(SURROGATE_KEY, &[' ', '\t'][..]), (CACHE_TAG, &[','])] {
        for line in response
            .get_all(name)
            .iter()
            .filter_map(|line| line.to_str().ok())
        {
            for key in line.split(separators) {
                add(&mut keys, key.trim());
            }
        }
    }
    for key in strings(response, &CACHE_GROUPS) {
        add(&mut keys, &key);
    }
    keys
}

/// The groups that a write drops.
#[must_use]
pub fn invalidated(response: &HeaderMap) -> Vec<String> {
    let mut keys = Vec::new();
    for key in strings(response, &CACHE_GROUP_INVALIDATION) {
        add(&mut keys, &key);
    }
    keys
}

fn add(keys: &mut Vec<String>, key: &str) {
    if keys.len() < MAX && is_surrogate_key(key) && !keys.iter().any(|known| known == key) {
        keys.push(key.to_owned());
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
    lines
        .and_then(|lines| list(&lines.join(",")))
        .unwrap_or_default()
}

fn list(text: &str) -> Option<Vec<String>> {
    let mut all = Vec::new();
    let mut rest = text.trim_matches([' ', '\t']);
    while !rest.is_empty() {
        let inner = rest.strip_prefix('"')?;
        let mut string = String::new();
        let mut chars = inner.char_indices();
        let end = loop {
            match chars.next()? {
                (at, '"') => break at + 1,
                (_, '\\') => match chars.next()? {
                    (_, c @ ('"' | '\\')) => string.push(c),
                    _ => return None,
                },
                (_, c) if c == ' ' || c.is_ascii_graphic() => string.push(c),
                _ => return None,
            }
        };
        all.push(string);
        rest = inner[end..].trim_start_matches([' ', '\t']);
        if rest.starts_with(';') {
            rest = &rest[rest.find(',').unwrap_or(rest.len())..];
        }
        match rest.strip_prefix(',') {
            Some(more) => rest = more.trim_start_matches([' ', '\t']),
            None if rest.is_empty() => break,
            None => return None,
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_spellings_are_read_once_each() {
        let mut headers = HeaderMap::new();
        headers.append(SURROGATE_KEY, HeaderValue::from_static("a  b"));
        headers.append(CACHE_TAG, HeaderValue::from_static("b, c"));
        headers.append(
            CACHE_GROUPS,
            HeaderValue::from_static("\"c\";x=1, \"d\\\"e\""),
        );
        headers.append(CACHE_GROUPS, HeaderValue::from_static("\"f\""));
        assert_eq!(of(&headers), ["a", "b", "c", "d\"e", "f"]);
    }

    #[test]
    fn a_field_that_is_no_list_of_strings_is_ignored() {
        for text in ["a", "\"a", "\"a\" \"b\"", "\"a\", b", "\"\\a\""] {
            let mut headers = HeaderMap::new();
            headers.append(CACHE_GROUP_INVALIDATION, HeaderValue::from_static(text));
            assert!(invalidated(&headers).is_empty(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_list_is_too_odd(text in "[ -~]{0,80}") {
            let _ = list(&text);
        }
    }
}

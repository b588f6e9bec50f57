//! The cache key: what must be equal for two requests to share an answer (RFC 9111, section 2).

use http::Uri;
use zephyr_edge_core::cache_policy::CacheDirectives;

/// Appends the key of a request: scheme, authority, path, query, and what filters added. The method
/// is left out: only GET is stored, and HEAD is answered from it.
///
/// Parts cannot run into each other: none of the first three can hold a zero byte, and what follows
/// has its length in front.
pub fn append(
    key: &mut Vec<u8>,
    scheme: &str,
    authority: &str,
    path: &str,
    query: Option<&str>,
    filters: &CacheDirectives,
) {
    for part in [scheme, authority, path] {
        key.extend_from_slice(part.as_bytes());
        key.push(0);
    }
    if let Some(query) = effective_query(query, filters) {
        push(key, b'?', query);
    }
    for part in &filters.key_parts {
        push(key, b'+', part);
    }
}

/// The query that counts: the request's, or the one that filters put in its place.
#[must_use]
pub fn effective_query<'a>(
    query: Option<&'a str>,
    filters: &'a CacheDirectives,
) -> Option<&'a str> {
    filters
        .key_query
        .as_ref()
        .map_or(query, |query| query.as_deref())
}

/// The key for people to read, in `Cache-Status`: the URL that counts, and what filters added.
#[must_use]
pub fn shown(scheme: &str, authority: &str, uri: &Uri, filters: &CacheDirectives) -> String {
    let mut text = format!("{scheme}://{authority}{}", uri.path());
    if let Some(query) = effective_query(uri.query(), filters) {
        text.push('?');
        text.push_str(query);
    }
    for part in &filters.key_parts {
        text.push(' ');
        text.push_str(part);
    }
    text
}

fn push(key: &mut Vec<u8>, kind: u8, part: &str) {
    key.push(kind);
    key.extend_from_slice(&(part.len() as u64).to_le_bytes());
    key.extend_from_slice(part.as_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(path: &str, query: Option<&str>, filters: &CacheDirectives) -> Vec<u8> {
        let mut key = Vec::new();
        append(&mut key, "http", "a.example", path, query, filters);
        key
    }

    fn filters(query: Option<Option<&str>>, parts: &[&str]) -> CacheDirectives {
        CacheDirectives {
            key_query: query.map(|query| query.map(str::to_owned)),
            key_parts: parts.iter().map(|part| (*part).to_owned()).collect(),
            ..CacheDirectives::default()
        }
    }

    #[test]
    fn filters_choose_the_query_and_add_parts() {
        let none = filters(None, &[]);
        assert_eq!(
            key("/x", Some("a=1&utm=2"), &filters(Some(Some("a=1")), &[])),
            key("/x", Some("a=1"), &none)
        );
        assert_eq!(
            key("/x", Some("a=1"), &filters(Some(None), &[])),
            key("/x", None, &none)
        );
        let keys = [
            key("/x", None, &none),
            key("/x", Some(""), &none),
            key("/x", Some("a"), &none),
            key("/y", None, &none),
            key("/x", None, &filters(None, &["a"])),
            key("/x", None, &filters(None, &["a", ""])),
            key("/x", None, &filters(None, &["", "a"])),
        ];
        for (at, one) in keys.iter().enumerate() {
            assert!(keys[at + 1..].iter().all(|other| other != one), "{one:?}");
        }
    }

    #[test]
    fn a_key_can_be_shown() {
        let uri = Uri::from_static("/x?a=1&utm=2");
        let filters = filters(Some(Some("a=1")), &["beta"]);
        let text = shown("http", "a.example", &uri, &filters);
        assert_eq!(text, "http://a.example/x?a=1 beta");
        let mut headers = crate::fields(&[("cache-status", "Zephyr; hit")]);
        crate::answer::tell_key(&mut headers, &text);
        let told = "Zephyr; hit; key=\"http://a.example/x?a=1 beta\"";
        assert_eq!(headers["cache-status"], told);
    }

    proptest! {
        #[test]
        fn different_parts_are_different_keys(
            one in prop::collection::vec("[a\0+?]{0,3}", 0..4),
            other in prop::collection::vec("[a\0+?]{0,3}", 0..4),
        ) {
            let of = |parts: &[String]| {
                let filters = CacheDirectives { key_parts: parts.to_vec(), ..Default::default() };
                key("/", None, &filters)
            };
            prop_assert_eq!(one == other, of(&one) == of(&other));
        }
    }
}

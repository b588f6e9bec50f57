//! What caches are told: under which names an answer can be dropped, and which names a write drops.
//!
//! The edge node reads `Surrogate-Key` (and takes it off what leaves); other caches read
//! `Cache-Groups` and `Cache-Group-Invalidation` (RFC 9875).

use http::{HeaderMap, HeaderName, HeaderValue};

/// Space-separated surrogate keys.
pub const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");
/// RFC 9875, section 2.
pub const CACHE_GROUPS: HeaderName = HeaderName::from_static("cache-groups");
/// RFC 9875, section 3.
pub const CACHE_GROUP_INVALIDATION: HeaderName =
    HeaderName::from_static("cache-group-invalidation");

/// Says under which keys an answer can be dropped. Keys are visible ASCII without `"` and `\`.
pub fn store_under<K: AsRef<str>>(headers: &mut HeaderMap, keys: &[K]) {
    let plain: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
    insert(headers, SURROGATE_KEY, &plain.join(" "));
    insert(headers, CACHE_GROUPS, &strings(&plain));
}

/// Says which keys a write drops.
pub fn invalidate<K: AsRef<str>>(headers: &mut HeaderMap, keys: &[K]) {
    let plain: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
    insert(headers, CACHE_GROUP_INVALIDATION, &strings(&plain));
}

/// A List of Strings (RFC 9651, section 3.1).
fn strings(keys: &[&str]) -> String {
    let quoted: Vec<String> = keys.iter().map(|key| format!("\"{key}\"")).collect();
    quoted.join(", ")
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    let value = HeaderValue::from_str(value).expect("keys are visible ASCII");
    headers.insert(name, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_written() {
        let mut headers = HeaderMap::new();
        store_under(&mut headers, &["listings", "listing-1"]);
        assert_eq!(headers[SURROGATE_KEY], "listings listing-1");
        assert_eq!(headers[CACHE_GROUPS], "\"listings\", \"listing-1\"");
    }
}

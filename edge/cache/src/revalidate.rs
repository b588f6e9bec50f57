//! Asking the upstream about a stored answer (RFC 9111, section 4.3).

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Makes a request conditional on the stored answer (section 4.3.1); false when the answer has no
/// validator, so that only a new one helps.
pub fn ask(request: &mut HeaderMap, stored: &HeaderMap) -> bool {
    let etag = stored.get(header::ETAG);
    let modified = stored.get(header::LAST_MODIFIED);
    if let Some(etag) = etag {
        request.insert(header::IF_NONE_MATCH, etag.clone());
    }
    if let Some(modified) = modified {
        request.insert(header::IF_MODIFIED_SINCE, modified.clone());
    }
    etag.is_some() || modified.is_some()
}

/// Fields that a 304 does not change (section 3.2): they describe the stored body's bytes.
const KEPT: [HeaderName; 5] = [
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::TRANSFER_ENCODING,
];

/// Whether a 304 is about the stored answer (section 4.3.4): a strong tag that differs is about
/// another one.
#[must_use]
pub fn is_about(not_modified: &HeaderMap, stored: &HeaderMap) -> bool {
    let opaque = |value: &HeaderValue| {
        let bytes = value.as_bytes();
        bytes.strip_prefix(b"W/").unwrap_or(bytes).to_vec()
    };
    match (not_modified.get(header::ETAG), stored.get(header::ETAG)) {
        (Some(new), Some(old)) => opaque(new) == opaque(old),
        _ => true,
    }
}

/// Takes the fields of a 304 over (section 3.2).
pub fn update(stored: &mut HeaderMap, not_modified: &HeaderMap) {
    // An age told by caches before would be counted twice.
    stored.remove(header::AGE);
    for name in not_modified.keys() {
        if KEPT.contains(name) {
            continue;
        }
        let mut values = not_modified.get_all(name).iter();
        if let Some(first) = values.next() {
            stored.insert(name.clone(), first.clone());
        }
        for value in values {
            stored.append(name.clone(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn validators_are_asked_about() {
        let mut request = HeaderMap::new();
        assert!(ask(&mut request, &headers(&[("etag", "W/\"a\"")])));
        assert_eq!(request["if-none-match"], "W/\"a\"");
        assert!(!ask(&mut HeaderMap::new(), &headers(&[])));
    }

    #[test]
    fn a_304_changes_what_it_says_but_not_the_body() {
        let mut stored = headers(&[
            ("etag", "\"a\""),
            ("content-length", "5"),
            ("cache-control", "max-age=1"),
            ("x", "1"),
            ("age", "9"),
        ]);
        let new = headers(&[
            ("cache-control", "max-age=9"),
            ("content-length", "0"),
            ("y", "1"),
            ("y", "2"),
        ]);
        assert!(is_about(&new, &stored));
        update(&mut stored, &new);
        assert_eq!(stored["cache-control"], "max-age=9");
        assert_eq!(
            (&stored["content-length"], &stored["x"]),
            (&"5".parse().unwrap(), &"1".parse().unwrap())
        );
        assert_eq!(stored.get_all("y").iter().count(), 2);
        assert!(!stored.contains_key("age"));
        assert!(!is_about(&headers(&[("etag", "\"b\"")]), &stored));
    }
}

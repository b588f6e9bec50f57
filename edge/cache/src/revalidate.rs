//! Asking the upstream about a stored answer (RFC 9111, section 4.3).

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::answer;
use crate::stored::Head;

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

/// Whether a 304 is about the stored answer (section 4.3.4): one with another validator is not.
#[must_use]
pub fn is_about(not_modified: &HeaderMap, stored: &HeaderMap) -> bool {
    match (not_modified.get(header::ETAG), stored.get(header::ETAG)) {
        (Some(new), Some(old)) => return opaque(new) == opaque(old),
        // A tag that nothing stored has.
        (Some(new), None) if !new.as_bytes().starts_with(b"W/") => return false,
        _ => {}
    }
    match (
        not_modified.get(header::LAST_MODIFIED),
        stored.get(header::LAST_MODIFIED),
    ) {
        (Some(new), Some(old)) => new == old || not_modified.contains_key(header::ETAG),
        _ => true,
    }
}

fn opaque(etag: &HeaderValue) -> &[u8] {
    let bytes = etag.as_bytes();
    bytes.strip_prefix(b"W/").unwrap_or(bytes)
}

/// The fields of a stored answer after a 304 about it.
#[must_use]
pub fn freshened(stored: &Head, not_modified: &HeaderMap, arrived: Duration) -> HeaderMap {
    let mut headers = stored.original();
    update(&mut headers, not_modified);
    answer::set_date(&mut headers, arrived);
    headers
}

/// Takes the fields of a 304 over (section 3.2).
pub fn update(stored: &mut HeaderMap, not_modified: &HeaderMap) {
    // They told when the answer was made, which is now, and an age would be counted twice.
    stored.remove(header::AGE);
    stored.remove(header::DATE);
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
    use crate::fields;

    #[test]
    fn validators_are_asked_about() {
        let mut request = HeaderMap::new();
        let stored = fields(&[("etag", "W/\"a\""), ("last-modified", "x")]);
        assert!(ask(&mut request, &stored));
        assert_eq!(
            (&request["if-none-match"], &request["if-modified-since"]),
            (&stored["etag"], &stored["last-modified"])
        );
        assert!(!ask(&mut HeaderMap::new(), &HeaderMap::new()));
    }

    #[test]
    fn a_304_changes_what_it_says_but_not_the_body() {
        let mut stored = fields(&[
            ("etag", "\"a\""),
            ("content-length", "5"),
            ("cache-control", "max-age=1"),
            ("x", "1"),
            ("age", "9"),
            ("date", "then"),
        ]);
        let new = fields(&[
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
        assert!(!stored.contains_key("age") && !stored.contains_key("date"));
    }

    #[test]
    fn a_304_about_something_else_is_told_apart() {
        let stored = fields(&[("etag", "\"a\""), ("last-modified", "x")]);
        for (lines, expected) in [
            (vec![], true),
            (vec![("etag", "\"a\"")], true),
            (vec![("etag", "W/\"a\"")], true),
            (vec![("etag", "\"b\"")], false),
            (vec![("last-modified", "x")], true),
            (vec![("last-modified", "y")], false),
        ] {
            assert_eq!(is_about(&fields(&lines), &stored), expected, "{lines:?}");
        }
        let dated = fields(&[("last-modified", "x")]);
        assert!(!is_about(&fields(&[("etag", "\"b\"")]), &dated));
    }
}

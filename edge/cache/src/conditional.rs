//! Conditional requests against a stored answer (RFC 9110, section 13; RFC 9111, section 4.3.2).

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::date;

/// Fields that make a request conditional or partial. The cache evaluates them itself, so they do
/// not go to the upstream when a whole answer is fetched.
pub const CONDITIONS: [HeaderName; 6] = [
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_MATCH,
    header::IF_UNMODIFIED_SINCE,
    header::IF_RANGE,
    header::RANGE,
];

/// Fields that a 304 leaves out: they tell about a body that is not there (RFC 9110, section 15.4.5).
pub const NOT_MODIFIED_OMITS: [HeaderName; 5] = [
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_RANGE,
];

/// Whether the request is only for the client's own copy to be checked.
#[must_use]
pub fn is_conditional(request: &HeaderMap) -> bool {
    request.contains_key(header::IF_NONE_MATCH) || request.contains_key(header::IF_MODIFIED_SINCE)
}

/// Whether the request has conditions that are for the origin alone (RFC 9111, section 4.3.2).
#[must_use]
pub fn is_for_origin(request: &HeaderMap) -> bool {
    request.contains_key(header::IF_MATCH) || request.contains_key(header::IF_UNMODIFIED_SINCE)
}

/// Whether the client has this answer already, so that 304 is enough.
#[must_use]
pub fn not_modified(request: &HeaderMap, stored: &HeaderMap, now: i64) -> bool {
    if request.contains_key(header::IF_NONE_MATCH) {
        // If-Modified-Since does not count beside it (section 13.1.3).
        let etag = stored.get(header::ETAG);
        let mut lines = request.get_all(header::IF_NONE_MATCH).iter();
        return lines.any(|line| names(line, etag));
    }
    let Some(since) = request.get(header::IF_MODIFIED_SINCE) else {
        return false;
    };
    let parse = |value: &HeaderValue| date::parse(value.to_str().ok()?, now);
    // RFC 9111, section 4.3.2.
    let modified = stored
        .get(header::LAST_MODIFIED)
        .or_else(|| stored.get(header::DATE));
    match (parse(since), modified.and_then(parse)) {
        (Some(since), Some(modified)) => modified <= since,
        _ => false,
    }
}

/// Whether the list names the tag, by weak comparison (section 8.8.3.2).
fn names(list: &HeaderValue, etag: Option<&HeaderValue>) -> bool {
    let Ok(list) = list.to_str() else {
        return false;
    };
    if list.trim() == "*" {
        return true;
    }
    let Some(etag) = etag.and_then(|etag| etag.to_str().ok()) else {
        return false;
    };
    let etag = etag.strip_prefix("W/").unwrap_or(etag);
    let mut rest = list;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let tag = rest.strip_prefix("W/").unwrap_or(rest);
        // A tag may hold commas; it ends at its quote.
        let Some(end) = tag.strip_prefix('"').and_then(|inner| inner.find('"')) else {
            // Some servers forget the quotes; what they gave is what comes back.
            return !etag.is_empty() && tag.trim() == etag;
        };
        if &tag[..end + 2] == etag {
            return true;
        }
        rest = &tag[end + 2..];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fields;

    const NOW: i64 = 1_795_000_000;

    #[test]
    fn tags_are_compared_weakly() {
        for stored in ["\"a,b\"", "W/\"a,b\""] {
            let stored = fields(&[("etag", stored)]);
            for (list, expected) in [
                ("\"a,b\"", true),
                ("W/\"a,b\"", true),
                ("\"x\", \"a,b\"", true),
                (",, \"x\",W/\"a,b\" ,", true),
                ("*", true),
                ("\"a\"", false),
                ("a,b", false),
                ("\"a", false),
                ("", false),
                ("\"*\"", false),
            ] {
                let request = fields(&[("if-none-match", list)]);
                assert_eq!(not_modified(&request, &stored, NOW), expected, "{list}");
            }
        }
        let lines = fields(&[("if-none-match", "\"x\""), ("if-none-match", "\"a\"")]);
        assert!(not_modified(&lines, &fields(&[("etag", "\"a\"")]), NOW));
        let bare = fields(&[("if-none-match", "a")]);
        assert!(not_modified(&bare, &fields(&[("etag", "a")]), NOW));
        assert!(!not_modified(&bare, &HeaderMap::new(), NOW));
    }

    #[test]
    fn dates_count_where_there_is_no_tag_asked_for() {
        let stored = fields(&[("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")]);
        let since = |text| fields(&[("if-modified-since", text)]);
        assert!(not_modified(
            &since("Sun, 06 Nov 1994 08:49:37 GMT"),
            &stored,
            NOW
        ));
        assert!(not_modified(
            &since("Sunday, 06-Nov-94 08:49:38 GMT"),
            &stored,
            NOW
        ));
        assert!(!not_modified(
            &since("Sun, 06 Nov 1994 08:49:36 GMT"),
            &stored,
            NOW
        ));
        assert!(!not_modified(&since("yesterday"), &stored, NOW));
        let dated = fields(&[("date", "Sun, 06 Nov 1994 08:49:37 GMT")]);
        assert!(not_modified(
            &since("Sun, 06 Nov 1994 08:49:37 GMT"),
            &dated,
            NOW
        ));
        let both = fields(&[
            ("if-none-match", "\"x\""),
            ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ]);
        assert!(!not_modified(&both, &stored, NOW));
    }

    proptest! {
        #[test]
        fn no_list_is_too_odd(list in "[ -~]{0,40}") {
            let _ = not_modified(&fields(&[("if-none-match", &list)]), &fields(&[("etag", "\"a\"")]), NOW);
        }
    }
}

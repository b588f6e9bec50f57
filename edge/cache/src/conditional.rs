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

/// Whether the client has this answer already, so that 304 is enough.
#[must_use]
pub fn not_modified(request: &HeaderMap, stored: &HeaderMap, now: i64) -> bool {
    if request.contains_key(header::IF_NONE_MATCH) {
        // If-Modified-Since does not count beside it (section 13.1.3).
        let Some(etag) = stored.get(header::ETAG) else {
            return request
                .get_all(header::IF_NONE_MATCH)
                .iter()
                .any(|line| line.as_bytes() == b"*");
        };
        return request
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .any(|line| names(line, etag));
    }
    let Some(since) = request.get(header::IF_MODIFIED_SINCE) else {
        return false;
    };
    let parse = |value: &HeaderValue| date::parse(value.to_str().ok()?, now);
    let modified = stored
        .get(header::LAST_MODIFIED)
        .or_else(|| stored.get(header::DATE));
    match (parse(since), modified.and_then(parse)) {
        (Some(since), Some(modified)) => modified <= since,
        _ => false,
    }
}

/// Whether the list names the tag, by weak comparison (section 8.8.3.2).
fn names(list: &HeaderValue, etag: &HeaderValue) -> bool {
    let Ok(list) = list.to_str() else {
        return false;
    };
    let Some(opaque) = etag.to_str().ok().map(opaque) else {
        return false;
    };
    let mut rest = list;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.starts_with('*') {
            return true;
        }
        let tag = rest.strip_prefix("W/").unwrap_or(rest);
        // A tag may hold commas; it ends at its quote.
        let Some(end) = tag.strip_prefix('"').and_then(|inner| inner.find('"')) else {
            return false;
        };
        if &tag[..end + 2] == opaque {
            return true;
        }
        rest = &tag[end + 2..];
    }
}

fn opaque(etag: &str) -> &str {
    etag.strip_prefix("W/").unwrap_or(etag)
}

/// Fields of a 304: those that a 200 would have had and that tell about it (section 15.4.5).
pub const NOT_MODIFIED_OMITS: [HeaderName; 5] = [
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_RANGE,
];

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_000_000;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn tags_are_compared_weakly() {
        let stored = headers(&[("etag", "\"a,b\"")]);
        for (list, expected) in [
            ("\"a,b\"", true),
            ("W/\"a,b\"", true),
            ("\"x\", \"a,b\"", true),
            ("*", true),
            ("\"a\"", false),
            ("a,b", false),
            ("\"a", false),
            ("", false),
        ] {
            let request = headers(&[("if-none-match", list)]);
            assert_eq!(not_modified(&request, &stored, NOW), expected, "{list}");
        }
    }

    #[test]
    fn dates_count_where_there_is_no_tag_asked_for() {
        let stored = headers(&[("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")]);
        let since = |text| headers(&[("if-modified-since", text)]);
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
        let both = headers(&[
            ("if-none-match", "\"x\""),
            ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ]);
        assert!(!not_modified(&both, &stored, NOW));
    }
}

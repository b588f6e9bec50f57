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

/// Whether the list names the tag, by weak comparison (section 8.8.3.2). Octets above ASCII are part
/// of a tag (section 8.8.3). Some servers and clients forget the quotes: a tag is the same with and
/// without them, because nothing else can be meant by it.
fn names(list: &HeaderValue, etag: Option<&HeaderValue>) -> bool {
    let list = list.as_bytes().trim_ascii();
    if list == b"*" {
        return true;
    }
    let Some(etag) = etag.map(|etag| opaque(etag.as_bytes().trim_ascii())) else {
        return false;
    };
    if etag.is_empty() {
        return false;
    }
    Tags(list).any(|tag| tag == etag)
}

/// The tags of a list, without weakness and quotes.
struct Tags<'a>(&'a [u8]);

impl<'a> Iterator for Tags<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let start = self.0.iter().position(|byte| !b" \t,".contains(byte))?;
        let rest = &self.0[start..];
        let tag = rest.strip_prefix(b"W/").unwrap_or(rest);
        // A tag may hold commas; it ends at its quote.
        if let Some(inner) = tag.strip_prefix(b"\"")
            && let Some(end) = inner.iter().position(|byte| *byte == b'"')
        {
            self.0 = &inner[end + 1..];
            return Some(&inner[..end]);
        }
        let end = rest.iter().position(|byte| *byte == b',');
        let (tag, rest) = rest.split_at(end.unwrap_or(rest.len()));
        self.0 = rest;
        Some(tag.trim_ascii())
    }
}

/// A tag without weakness and quotes.
pub(crate) fn opaque(tag: &[u8]) -> &[u8] {
    let tag = tag.strip_prefix(b"W/").unwrap_or(tag);
    let inner = tag.strip_prefix(b"\"");
    inner
        .and_then(|inner| inner.strip_suffix(b"\""))
        .unwrap_or(tag)
}

/// Whether it is a tag that tells versions apart byte by byte (section 8.8.1).
pub(crate) fn is_strong(tag: &HeaderValue) -> bool {
    let tag = tag.as_bytes();
    tag.len() >= 2 && tag.starts_with(b"\"") && tag.ends_with(b"\"")
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
        for (list, tag) in [
            ("a", "a"),
            ("a", "\"a\""),
            ("\"a\"", "a"),
            ("x, a", "\"a\""),
        ] {
            let request = fields(&[("if-none-match", list)]);
            assert!(
                not_modified(&request, &fields(&[("etag", tag)]), NOW),
                "{list} {tag}"
            );
        }
        let odd = |bytes: &[u8]| HeaderValue::from_bytes(bytes).unwrap();
        let asked = HeaderMap::from_iter([(header::IF_NONE_MATCH, odd(b"\"\xfc\""))]);
        for (bytes, expected) in [(b"\"\xfc\"", true), (b"\"\xfd\"", false)] {
            let stored = HeaderMap::from_iter([(header::ETAG, odd(bytes))]);
            assert_eq!(not_modified(&asked, &stored, NOW), expected);
        }
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

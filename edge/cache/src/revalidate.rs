//! Asking the upstream about a stored answer (RFC 9111, section 4.3).

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::cache_control::CacheControl;
use crate::stored::Head;
use crate::{answer, conditional};

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

/// Asks about all variants of a URL at once, by their tags (section 4.3.1); false when none has one.
pub fn ask_about<'a>(
    request: &mut HeaderMap,
    variants: impl Iterator<Item = &'a HeaderMap>,
) -> bool {
    let mut tags: Vec<&[u8]> = Vec::new();
    for tag in variants.filter_map(|stored| stored.get(header::ETAG)) {
        // What is not written as a tag cannot stand in a list of them.
        let quoted = tag.as_bytes().ends_with(b"\"") && tag.len() <= MAX_TAG;
        if quoted && tags.len() < MAX_TAGS && !tags.contains(&tag.as_bytes()) {
            tags.push(tag.as_bytes());
        }
    }
    let Ok(list) = HeaderValue::from_bytes(&tags.join(&b", "[..])) else {
        return false;
    };
    if !tags.is_empty() {
        request.insert(header::IF_NONE_MATCH, list);
    }
    !tags.is_empty()
}

/// So many variants are asked about at once.
const MAX_TAGS: usize = 16;
/// Longer tags are not asked about beside others.
const MAX_TAG: usize = 256;

/// Fields that a 304 does not change: they tell about the stored body's bytes, which stay, and a 304's
/// own would tell about a body that it does not have, or about how the server would send it now (RFC
/// 9111, section 3.2, leaves room for what the integrity of a stored answer needs; RFC 9530, section
/// 2, for `Content-Digest`).
const KEPT: [HeaderName; 6] = [
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::TRANSFER_ENCODING,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("content-md5"),
];

/// Whether a 304 is about the stored answer (section 4.3.4): one with another validator is not.
#[must_use]
pub fn is_about(not_modified: &HeaderMap, stored: &HeaderMap) -> bool {
    match (not_modified.get(header::ETAG), stored.get(header::ETAG)) {
        (Some(new), Some(old)) => {
            return conditional::opaque(new.as_bytes()) == conditional::opaque(old.as_bytes());
        }
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

/// The fields of a stored answer after a 200 to HEAD (section 4.3.5); none when it is about another
/// version than the stored one, which is then out of date. A length of nothing is what some servers
/// tell that have not made the body.
#[must_use]
pub fn after_head(stored: &Head, response: &HeaderMap, arrived: Duration) -> Option<HeaderMap> {
    let differs = |name: HeaderName| {
        let (new, old) = (response.get(&name), stored.headers.get(&name));
        new.is_some() && old.is_some() && new != old
    };
    let length = response.get(header::CONTENT_LENGTH);
    let other_length =
        length.is_some_and(|length| length != "0") && differs(header::CONTENT_LENGTH);
    // What is stored may be another answer than a 200, such as a 404 from before there was anything.
    let other = stored.status != StatusCode::OK || other_length;
    if other || differs(header::ETAG) || differs(header::LAST_MODIFIED) {
        return None;
    }
    Some(freshened(stored, response, arrived))
}

/// Whether a tag tells versions apart byte by byte (RFC 9110, section 8.8.1).
#[must_use]
pub fn is_strong(tag: &HeaderValue) -> bool {
    conditional::is_strong(tag)
}

/// The fields of a stored answer after a 304 about it.
#[must_use]
pub fn freshened(stored: &Head, not_modified: &HeaderMap, arrived: Duration) -> HeaderMap {
    let mut headers = stored.original();
    update(&mut headers, not_modified);
    answer::set_date(&mut headers, arrived);
    headers
}

/// Gives the client what the upstream has just said to it alone: fields of a 304 or a HEAD that are
/// not stored (RFC 9111, sections 5.2.2.4 and 5.2.2.7).
pub fn hand_on(client: &mut HeaderMap, updated: &HeaderMap, new: &HeaderMap) {
    for name in CacheControl::for_this_cache(updated).0.unstored {
        for value in new.get_all(&name) {
            client.append(name.clone(), value.clone());
        }
    }
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
    fn what_describes_the_bytes_stays_as_they_do() {
        let mut stored = fields(&[("content-encoding", "gzip"), ("content-type", "x")]);
        let new = fields(&[
            ("content-encoding", "br"),
            ("content-digest", "y"),
            ("content-type", "z"),
        ]);
        update(&mut stored, &new);
        assert_eq!(stored["content-encoding"], "gzip");
        assert_eq!(stored["content-type"], "z");
        assert!(!stored.contains_key("content-digest"));
    }

    #[test]
    fn variants_are_asked_about_by_their_tags() {
        let variants = ["\"a\"", "W/\"b\"", "\"a\"", "bare"].map(|tag| fields(&[("etag", tag)]));
        let mut request = HeaderMap::new();
        assert!(ask_about(&mut request, variants.iter()));
        assert_eq!(request["if-none-match"], "\"a\", W/\"b\"");
        assert!(!ask_about(&mut HeaderMap::new(), variants[3..].iter()));
    }

    #[test]
    fn a_head_about_another_version_is_told_apart() {
        let lines = [("etag", "\"a\""), ("content-length", "5"), ("x", "1")];
        let stored = Head::new(StatusCode::OK, &fields(&lines));
        let after = |lines: &[(&'static str, &str)]| {
            after_head(&stored, &fields(lines), Duration::from_secs(9))
        };
        let updated = after(&[("x", "2"), ("content-length", "5")]).unwrap();
        assert_eq!(
            (&updated["x"], &updated["content-length"]),
            (&"2".parse().unwrap(), &"5".parse().unwrap())
        );
        assert!(after(&[("content-length", "0")]).is_some());
        assert!(after(&[("content-length", "6")]).is_none());
        assert!(after(&[("etag", "\"b\"")]).is_none());
        let missing = Head::new(StatusCode::NOT_FOUND, &fields(&[]));
        assert!(after_head(&missing, &fields(&[]), Duration::from_secs(9)).is_none());
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

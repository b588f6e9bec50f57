//! Byte ranges of a complete stored body (RFC 9110, section 14). One range is answered with 206,
//! several with the whole, which section 14.2 allows.

use http::{HeaderMap, HeaderValue, header};

use crate::date;

/// What of the body the client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// All of it.
    Whole,
    /// From the first to the last byte, both included.
    Part(u64, u64),
    /// Nothing that is there: 416.
    Unsatisfiable,
}

/// Reads `Range` and `If-Range` of a GET against a stored answer of so many bytes.
#[must_use]
pub fn select(request: &HeaderMap, stored: &HeaderMap, length: u64) -> Range {
    let mut lines = request.get_all(header::RANGE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return Range::Whole;
    };
    let Some(text) = line.to_str().ok().and_then(|text| strip_unit(text.trim())) else {
        return Range::Whole;
    };
    if !if_range(request, stored) {
        return Range::Whole;
    }
    parse(text.trim(), length)
}

/// Range units are compared without regard to case (section 14.1).
fn strip_unit(text: &str) -> Option<&str> {
    let (unit, rest) = text.split_once('=')?;
    unit.trim().eq_ignore_ascii_case("bytes").then_some(rest)
}

/// A number of digits only; one that is larger than can be kept is as large as can be.
pub(crate) fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
}

/// Whether the request asks for the end of the whole, however long that is.
pub(crate) fn is_suffix(request: &HeaderMap) -> bool {
    let range = request.get(header::RANGE);
    let range = range.and_then(|range| strip_unit(range.to_str().ok()?.trim()));
    range.is_some_and(|spec| spec.trim().starts_with('-'))
}

fn parse(spec: &str, length: u64) -> Range {
    let Some((first, last)) = spec.split_once('-') else {
        return Range::Whole;
    };
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => within(first, last, length),
        (Some(first), None) if last.is_empty() => within(first, u64::MAX, length),
        (None, Some(0)) if first.is_empty() => Range::Unsatisfiable,
        (None, Some(suffix)) if first.is_empty() => {
            within(length.saturating_sub(suffix), u64::MAX, length)
        }
        // Several ranges, or nothing that is one: ignored.
        _ => Range::Whole,
    }
}

fn within(first: u64, last: u64, length: u64) -> Range {
    if first >= length {
        Range::Unsatisfiable
    } else {
        Range::Part(first, last.min(length - 1))
    }
}

/// `If-Range` (section 13.1.5): strong comparison of a tag, or the exact date.
fn if_range(request: &HeaderMap, stored: &HeaderMap) -> bool {
    let Some(condition) = request.get(header::IF_RANGE) else {
        return true;
    };
    let condition = condition.as_bytes();
    if condition.starts_with(b"\"") {
        return stored
            .get(header::ETAG)
            .is_some_and(|etag| etag.as_bytes() == condition);
    }
    if condition.starts_with(b"W/") {
        return false;
    }
    let modified = stored.get(header::LAST_MODIFIED);
    modified.is_some_and(|modified| modified.as_bytes() == condition && is_strong(modified, stored))
}

/// A date tells versions apart only when the answer was made later than its last change, by more
/// than a clock's second (section 8.8.2.2).
fn is_strong(modified: &HeaderValue, stored: &HeaderMap) -> bool {
    let parse = |value: &HeaderValue| date::parse(value.to_str().ok()?, i64::MAX / 2);
    match (parse(modified), stored.get(header::DATE).and_then(parse)) {
        (Some(modified), Some(made)) => made > modified,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fields;

    fn of(lines: &[(&'static str, &str)]) -> Range {
        let stored = fields(&[
            ("etag", "\"a\""),
            ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("date", "Sun, 06 Nov 1994 09:00:00 GMT"),
        ]);
        select(&fields(lines), &stored, 10)
    }

    #[test]
    fn one_range_is_a_part() {
        for (text, expected) in [
            ("bytes=0-3", Range::Part(0, 3)),
            ("Bytes=4-", Range::Part(4, 9)),
            ("bytes=-3", Range::Part(7, 9)),
            ("bytes=-30", Range::Part(0, 9)),
            ("bytes=5-99999999999999999999999", Range::Part(5, 9)),
            ("bytes=10-", Range::Unsatisfiable),
            ("bytes=-0", Range::Unsatisfiable),
            ("bytes=3-2", Range::Whole),
            ("bytes=0-1,4-5", Range::Whole),
            ("lines=0-1", Range::Whole),
            ("bytes=a-b", Range::Whole),
            ("bytes=+1-2", Range::Whole),
            ("bytes=", Range::Whole),
            ("bytes=-", Range::Whole),
            ("", Range::Whole),
        ] {
            assert_eq!(of(&[("range", text)]), expected, "{text}");
        }
        assert_eq!(
            of(&[("range", "bytes=0-3"), ("range", "bytes=5-6")]),
            Range::Whole
        );
        assert_eq!(
            select(&fields(&[("range", "bytes=0-")]), &HeaderMap::new(), 0),
            Range::Unsatisfiable
        );
    }

    #[test]
    fn a_range_of_another_version_is_the_whole() {
        for (condition, same) in [
            ("\"a\"", true),
            ("\"b\"", false),
            ("W/\"a\"", false),
            ("Sun, 06 Nov 1994 08:49:37 GMT", true),
            ("Sun, 06 Nov 1994 08:49:38 GMT", false),
        ] {
            let expected = if same {
                Range::Part(0, 3)
            } else {
                Range::Whole
            };
            assert_eq!(
                of(&[("range", "bytes=0-3"), ("if-range", condition)]),
                expected,
                "{condition}"
            );
        }
        // It may have changed twice within that second.
        let stored = fields(&[
            ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ]);
        let request = [
            ("range", "bytes=0-3"),
            ("if-range", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ];
        assert_eq!(select(&fields(&request), &stored, 10), Range::Whole);
    }

    proptest! {
        #[test]
        fn a_part_is_within_the_body(text in "bytes=[0-9-]{0,9}", length in 0_u64..50) {
            if let Range::Part(first, last) = select(&fields(&[("range", &text)]), &HeaderMap::new(), length) {
                prop_assert!(first <= last && last < length);
            }
        }
    }
}

//! Byte ranges of a complete stored body (RFC 9110, section 14). One range is answered with 206,
//! several with the whole, which section 14.2 allows.

use http::{HeaderMap, header};

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

fn parse(spec: &str, length: u64) -> Range {
    let Some((first, last)) = spec.split_once('-') else {
        return Range::Whole;
    };
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
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
    stored
        .get(header::LAST_MODIFIED)
        .is_some_and(|modified| modified.as_bytes() == condition)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(fields: &[(&'static str, &'static str)]) -> Range {
        let mut request = HeaderMap::new();
        for (name, value) in fields {
            request.append(*name, HeaderValue::from_static(value));
        }
        let mut stored = HeaderMap::new();
        stored.insert("etag", HeaderValue::from_static("\"a\""));
        select(&request, &stored, 10)
    }

    #[test]
    fn one_range_is_a_part() {
        for (text, expected) in [
            ("bytes=0-3", Range::Part(0, 3)),
            ("Bytes=4-", Range::Part(4, 9)),
            ("bytes=-3", Range::Part(7, 9)),
            ("bytes=-30", Range::Part(0, 9)),
            ("bytes=5-99", Range::Part(5, 9)),
            ("bytes=10-", Range::Unsatisfiable),
            ("bytes=-0", Range::Unsatisfiable),
            ("bytes=3-2", Range::Whole),
            ("bytes=0-1,4-5", Range::Whole),
            ("lines=0-1", Range::Whole),
            ("bytes=a-b", Range::Whole),
            ("bytes=", Range::Whole),
        ] {
            assert_eq!(of(&[("range", text)]), expected, "{text}");
        }
    }

    #[test]
    fn a_range_of_another_version_is_the_whole() {
        assert_eq!(
            of(&[("range", "bytes=0-3"), ("if-range", "\"a\"")]),
            Range::Part(0, 3)
        );
        assert_eq!(
            of(&[("range", "bytes=0-3"), ("if-range", "\"b\"")]),
            Range::Whole
        );
        assert_eq!(
            of(&[("range", "bytes=0-3"), ("if-range", "W/\"a\"")]),
            Range::Whole
        );
    }
}

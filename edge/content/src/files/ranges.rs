//! Byte ranges of a file, one or several (RFC 9110, section 14).

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use sha2::{Digest as _, Sha256};
use zephyr_cache::answer;
use zephyr_cache::range::{self, Range};

use super::body::Segment;

/// Who asks for more gets the whole (section 14.2 allows that; section 17.15 says why).
const MAX_RANGES: usize = 16;

/// What of the file the client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ranges {
    Whole,
    /// From the first to the last byte, both included, in order and apart from each other.
    Parts(Vec<(u64, u64)>),
    /// Nothing that is there: 416.
    Unsatisfiable,
}

/// Reads `Range` and `If-Range`.
pub(super) fn select(request: &HeaderMap, head: &HeaderMap, length: u64, now: Duration) -> Ranges {
    let Some(asked) = request.get(header::RANGE) else {
        return Ranges::Whole;
    };
    let mut head = head.clone();
    // A date is a condition only for an answer that has one (section 8.8.2.2).
    answer::set_date(&mut head, now);
    if !asked.as_bytes().contains(&b',') {
        return match range::select(request, &head, length) {
            Range::Whole => Ranges::Whole,
            Range::Part(first, last) => Ranges::Parts(vec![(first, last)]),
            Range::Unsatisfiable => Ranges::Unsatisfiable,
        };
    }
    // What `If-Range` says of several ranges is what it says of any one.
    let mut one = request.clone();
    one.insert(header::RANGE, HeaderValue::from_static("bytes=0-0"));
    if request.get_all(header::RANGE).iter().count() > 1
        || range::select(&one, &head, 1) == Range::Whole
    {
        return Ranges::Whole;
    }
    several(asked, length)
}

fn several(asked: &HeaderValue, length: u64) -> Ranges {
    let Some((unit, list)) = asked.to_str().ok().and_then(|text| text.split_once('=')) else {
        return Ranges::Whole;
    };
    let Ok(unit) = HeaderValue::from_str(unit.trim()) else {
        return Ranges::Whole;
    };
    let specs: Vec<&str> = list
        .split(',')
        .map(str::trim)
        .filter(|spec| !spec.is_empty())
        .collect();
    if specs.is_empty() || specs.len() > MAX_RANGES {
        return Ranges::Whole;
    }
    let mut parts = Vec::with_capacity(specs.len());
    for spec in specs {
        let mut one = HeaderMap::new();
        let text = [unit.as_bytes(), b"=", spec.as_bytes()].concat();
        let Ok(value) = HeaderValue::from_bytes(&text) else {
            return Ranges::Whole;
        };
        one.insert(header::RANGE, value);
        match range::select(&one, &HeaderMap::new(), length) {
            // One that is no range makes the field none (section 14.2).
            Range::Whole => return Ranges::Whole,
            Range::Part(first, last) => parts.push((first, last)),
            Range::Unsatisfiable => {}
        }
    }
    if parts.is_empty() {
        return Ranges::Unsatisfiable;
    }
    merge(&mut parts);
    let bytes: u64 = parts.iter().map(|(first, last)| last - first + 1).sum();
    if parts.len() > 1 && bytes.saturating_add(parts.len() as u64 * PART_HEAD) >= length {
        // The whole is shorter.
        return Ranges::Whole;
    }
    Ranges::Parts(parts)
}

/// What a part's head takes, about.
const PART_HEAD: u64 = 160;

/// In order, with those that overlap or touch made one.
fn merge(parts: &mut Vec<(u64, u64)>) {
    parts.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::with_capacity(parts.len());
    for &(first, last) in &*parts {
        match merged.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    *parts = merged;
}

/// The body of a 206, and its fields: one part as it is, several as `multipart/byteranges`
/// (section 14.6).
pub(super) fn body(
    parts: &[(u64, u64)],
    headers: &mut HeaderMap,
    length: u64,
    now: Duration,
) -> Vec<Segment> {
    let file = |&(first, last): &(u64, u64)| Segment::File {
        at: first,
        len: last - first + 1,
    };
    if let [part @ (first, last)] = parts {
        let range = format!("bytes {first}-{last}/{length}");
        super::set(headers, header::CONTENT_RANGE, &range);
        return vec![file(part)];
    }
    let boundary = boundary(headers, now);
    let of_part = headers.get(header::CONTENT_TYPE).cloned();
    let of_part = of_part.as_ref().map_or(&b""[..], HeaderValue::as_bytes);
    let mut segments = Vec::with_capacity(parts.len() * 2 + 1);
    for (index, part) in parts.iter().enumerate() {
        let mut head = Vec::with_capacity(160);
        if index > 0 {
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(format!("--{boundary}\r\nContent-Type: ").as_bytes());
        head.extend_from_slice(of_part);
        let (first, last) = part;
        let range = format!("\r\nContent-Range: bytes {first}-{last}/{length}\r\n\r\n");
        head.extend_from_slice(range.as_bytes());
        segments.push(Segment::Bytes(head.into()));
        segments.push(file(part));
    }
    let end = format!("\r\n--{boundary}--\r\n");
    segments.push(Segment::Bytes(Bytes::from(end)));
    let of_all = format!("multipart/byteranges; boundary={boundary}");
    super::set(headers, header::CONTENT_TYPE, &of_all);
    segments
}

/// How many bytes the segments have.
pub(super) fn len(segments: &[Segment]) -> u64 {
    segments.iter().map(Segment::len).sum()
}

/// One that the file's bytes will not hold, unless whoever wrote them knew the time of the answer.
fn boundary(headers: &HeaderMap, now: Duration) -> String {
    let mut hash = Sha256::new();
    hash.update(now.as_nanos().to_le_bytes());
    if let Some(etag) = headers.get(header::ETAG) {
        hash.update(etag.as_bytes());
    }
    let digest = hash.finalize();
    let hex: String = digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("zephyr-{hex}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Duration = Duration::from_secs(1_795_000_000);

    fn of(text: &str, length: u64) -> Ranges {
        let mut request = HeaderMap::new();
        request.insert(header::RANGE, text.parse().unwrap());
        select(&request, &HeaderMap::new(), length, NOW)
    }

    #[test]
    fn several_ranges() {
        let parts = |parts: &[(u64, u64)]| Ranges::Parts(parts.to_vec());
        for (text, expected) in [
            ("bytes=0-9", parts(&[(0, 9)])),
            ("bytes=0-9,20-29", parts(&[(0, 9), (20, 29)])),
            ("bytes=20-29 , ,0-9", parts(&[(0, 9), (20, 29)])),
            ("Bytes=-10,0-0", parts(&[(0, 0), (9990, 9999)])),
            ("bytes=0-9,5-14,15-19", parts(&[(0, 19)])),
            ("bytes=0-9,99999-", parts(&[(0, 9)])),
            ("bytes=99999-,-0", Ranges::Unsatisfiable),
            ("bytes=0-9,x", Ranges::Whole),
            ("bytes=0-9,9-0", Ranges::Whole),
            ("lines=0-9,20-29", Ranges::Whole),
            ("bytes=,", Ranges::Whole),
            ("bytes=0-4999,5001-", Ranges::Whole),
        ] {
            assert_eq!(of(text, 10_000), expected, "{text}");
        }
        let many: Vec<String> = (0..17).map(|n| format!("{}-{}", n * 3, n * 3)).collect();
        assert_eq!(
            of(&format!("bytes={}", many.join(",")), 10_000),
            Ranges::Whole
        );
    }

    #[test]
    fn several_ranges_of_another_version_are_the_whole() {
        let mut request = HeaderMap::new();
        request.insert(header::RANGE, "bytes=0-1,4-5".parse().unwrap());
        let mut head = HeaderMap::new();
        head.insert(header::ETAG, "\"a\"".parse().unwrap());
        for (condition, same) in [("\"a\"", true), ("\"b\"", false), ("W/\"a\"", false)] {
            request.insert(header::IF_RANGE, condition.parse().unwrap());
            let selected = select(&request, &head, 10_000, NOW);
            assert_eq!(selected != Ranges::Whole, same, "{condition}");
        }
    }

    proptest! {
        #[test]
        fn parts_are_in_order_apart_and_within(
            text in "bytes=([0-9]{0,3}-[0-9]{0,3},){1,18}[0-9]{0,3}-[0-9]{0,3}", length in 0_u64..2000
        ) {
            if let Ranges::Parts(parts) = of(&text, length) {
                prop_assert!(!parts.is_empty() && parts.len() <= MAX_RANGES);
                prop_assert!(parts.iter().all(|(first, last)| first <= last && *last < length));
                prop_assert!(parts.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
            }
        }
    }
}

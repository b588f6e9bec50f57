//! Slices of large answers: how a body is cut into pieces that are stored each on its own, which of
//! them a request needs, and how the lacking ones are asked for (RFC 9111, section 3.4).
//!
//! Slices begin at multiples of their size; the last one is as long as the body leaves it. Only what
//! has a strong entity tag is sliced, because nothing else tells that two pieces are of the same bytes
//! (RFC 9110, section 8.8.1).

use std::ops::RangeInclusive;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::conditional;
use crate::part::Part;
use crate::range;

/// Fields about the bytes of one message, which those of a part say of the part only (RFC 9530, section
/// 2).
const OF_THE_MESSAGE: [HeaderName; 3] = [
    header::CONTENT_RANGE,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("content-md5"),
];

/// How a body is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slices {
    complete: u64,
    size: u64,
}

impl Slices {
    /// A body of `complete` bytes in slices of `size`; none when one of them is nothing.
    #[must_use]
    pub fn new(complete: u64, size: u64) -> Option<Self> {
        // Larger numbers are no positions, and could not be counted on from.
        let sane = complete > 0 && complete < u64::MAX / 4 && size > 0 && size < u64::MAX / 4;
        sane.then_some(Self { complete, size })
    }

    /// Bytes of the whole.
    #[must_use]
    pub fn complete(&self) -> u64 {
        self.complete
    }

    /// Bytes of a slice; the last one may have fewer.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Which slice has this byte of the whole.
    #[must_use]
    pub fn at(&self, byte: u64) -> u64 {
        byte / self.size
    }

    /// The first and the last byte of a slice, of those of the whole.
    #[must_use]
    pub fn bounds(&self, number: u64) -> (u64, u64) {
        let first = number.saturating_mul(self.size).min(self.complete - 1);
        (first, (first + self.size - 1).min(self.complete - 1))
    }

    /// Bytes of a slice.
    #[must_use]
    pub fn length(&self, number: u64) -> u64 {
        let (first, last) = self.bounds(number);
        last - first + 1
    }

    /// The slices that have these bytes of the whole, from the first to the last.
    #[must_use]
    pub fn needed(&self, first: u64, last: u64) -> RangeInclusive<u64> {
        self.at(first)..=self.at(last.min(self.complete - 1))
    }

    /// What of the bytes from `first` to `last` of the whole a slice has: its own first and last byte of
    /// them, counted from its beginning.
    #[must_use]
    pub fn within(&self, number: u64, first: u64, last: u64) -> (u64, u64) {
        let (begin, end) = self.bounds(number);
        let low = first.clamp(begin, end) - begin;
        (low, last.clamp(begin + low, end) - begin)
    }

    /// The last slice of a run that begins at `from`, which lacks, and has lacking ones only: not past
    /// `last`, and at most `most` of them.
    #[must_use]
    pub fn run(&self, from: u64, last: u64, most: u64, lacks: impl Fn(u64) -> bool) -> u64 {
        let bound = last.min(from.saturating_add(most.max(1) - 1));
        let mut end = from;
        while end < bound && lacks(end + 1) {
            end += 1;
        }
        end
    }

    /// The part of the whole that these slices are.
    #[must_use]
    pub fn part(&self, from: u64, to: u64) -> Part {
        Part {
            first: self.bounds(from).0,
            last: self.bounds(to).1,
            complete: Some(self.complete),
        }
    }

    /// Cuts so many bytes that begin at `at`: those that are of the same slice as the first of them.
    #[must_use]
    pub fn cut(&self, at: u64, length: u64) -> u64 {
        let (_, last) = self.bounds(self.at(at));
        length.min((last + 1).saturating_sub(at))
    }
}

/// Which part of a whole of known length an answer brings, when its slices could be told from those of
/// another version: a 200 with its length, of a server that says that it gives ranges (RFC 9110, section
/// 14.3), or a 206 of which the length of the whole is known.
///
/// A 206 to a request with `If-Range` need not have the whole's fields (RFC 9110, section 15.3.7), so
/// nothing can be begun with it.
#[must_use]
pub fn placed(request: &HeaderMap, status: StatusCode, response: &HeaderMap) -> Option<Part> {
    if !response
        .get(header::ETAG)
        .is_some_and(conditional::is_strong)
    {
        return None;
    }
    match status {
        StatusCode::OK if gives_ranges(response) => {
            let length = response.get(header::CONTENT_LENGTH)?;
            let length = range::number(length.to_str().ok()?)?;
            let whole = Part {
                first: 0,
                last: length.checked_sub(1)?,
                complete: Some(length),
            };
            Some(whole)
        }
        StatusCode::PARTIAL_CONTENT if !request.contains_key(header::IF_RANGE) => {
            Part::of(request, response).filter(|part| part.complete.is_some())
        }
        _ => None,
    }
}

fn gives_ranges(response: &HeaderMap) -> bool {
    let lines = response.get_all(header::ACCEPT_RANGES).iter();
    let mut units = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    units.any(|unit| unit.trim_ascii().eq_ignore_ascii_case(b"bytes"))
}

/// The fields of the whole, from those of an answer that brings a part of it or all.
#[must_use]
pub fn of_the_whole(status: StatusCode, response: &HeaderMap, complete: u64) -> HeaderMap {
    let mut headers = response.clone();
    if status == StatusCode::PARTIAL_CONTENT {
        for name in &OF_THE_MESSAGE {
            headers.remove(name);
        }
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(complete));
    headers
}

/// Asks for a part of the version that is stored and of no other (RFC 9110, section 13.1.1): where
/// there is another, the answer is 412 and short, not all of that.
pub fn ask(request: &mut HeaderMap, part: &Part, stored: &HeaderMap) {
    for name in &conditional::CONDITIONS {
        request.remove(name);
    }
    let range = format!("bytes={}-{}", part.first, part.last);
    if let Ok(range) = HeaderValue::from_str(&range) {
        request.insert(header::RANGE, range);
    }
    if let Some(tag) = stored.get(header::ETAG) {
        request.insert(header::IF_MATCH, tag.clone());
    }
}

/// Whether an answer brings the part that was asked for, of the version that is stored.
#[must_use]
pub fn brings(
    part: &Part,
    stored: &HeaderMap,
    sent: &HeaderMap,
    status: StatusCode,
    response: &HeaderMap,
) -> bool {
    let (own, other) = (stored.get(header::ETAG), response.get(header::ETAG));
    status == StatusCode::PARTIAL_CONTENT
        && own.is_some_and(conditional::is_strong)
        && own == other
        && response.get_all(header::ETAG).iter().count() == 1
        && Part::of(sent, response) == Some(*part)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fields;

    #[test]
    fn a_body_is_cut_at_multiples_and_ends_where_it_ends() {
        let slices = Slices::new(10, 4).unwrap();
        assert_eq!(slices.bounds(0), (0, 3));
        assert_eq!((slices.bounds(2), slices.length(2)), ((8, 9), 2));
        assert_eq!(slices.needed(3, 4), 0..=1);
        assert_eq!(slices.needed(0, 99), 0..=2);
        assert_eq!(slices.within(0, 3, 8), (3, 3));
        assert_eq!(slices.within(1, 3, 8), (0, 3));
        assert_eq!(slices.within(2, 3, 8), (0, 0));
        assert_eq!(
            (slices.cut(2, 9), slices.cut(4, 9), slices.cut(9, 9)),
            (2, 4, 1)
        );
        assert_eq!(Slices::new(0, 4), None);
        assert_eq!(Slices::new(4, 0), None);
        assert_eq!(Slices::new(u64::MAX, 4), None);
    }

    #[test]
    fn a_run_is_cut_by_what_is_stored_and_by_its_bound() {
        let slices = Slices::new(100, 4).unwrap();
        let stored = [5, 9];
        let lacks = |number| !stored.contains(&number);
        assert_eq!(slices.run(2, 24, 64, lacks), 4);
        assert_eq!(slices.run(6, 24, 64, lacks), 8);
        assert_eq!(slices.run(10, 12, 64, lacks), 12);
        assert_eq!(slices.run(10, 24, 3, lacks), 12);
        assert_eq!(slices.run(10, 24, 0, lacks), 10);
    }

    #[test]
    fn only_what_can_be_told_from_other_versions_is_placed() {
        let (none, ok) = (HeaderMap::new(), StatusCode::OK);
        let ranges = ("accept-ranges", "none, Bytes");
        let whole = fields(&[("etag", "\"a\""), ("content-length", "10"), ranges]);
        let part = Part {
            first: 0,
            last: 9,
            complete: Some(10),
        };
        assert_eq!(placed(&none, ok, &whole), Some(part));
        for odd in [
            &[("etag", "W/\"a\""), ("content-length", "10"), ranges][..],
            &[("etag", "\"a\""), ("content-length", "0"), ranges],
            &[("etag", "\"a\""), ("content-length", "x"), ranges],
            &[("etag", "\"a\""), ranges],
            &[("content-length", "10"), ranges],
            &[("etag", "\"a\""), ("content-length", "10")],
            &[
                ("etag", "\"a\""),
                ("content-length", "10"),
                ("accept-ranges", "none"),
            ],
        ] {
            assert_eq!(placed(&none, ok, &fields(odd)), None, "{odd:?}");
        }
        let partial = StatusCode::PARTIAL_CONTENT;
        let asked = fields(&[("range", "bytes=2-5")]);
        let with = |range| fields(&[("etag", "\"a\""), ("content-range", range)]);
        let middle = placed(&asked, partial, &with("bytes 2-5/10")).unwrap();
        assert_eq!((middle.first, middle.last), (2, 5));
        assert_eq!(placed(&asked, partial, &with("bytes 2-5/*")), None);
        let condition = fields(&[("range", "bytes=2-5"), ("if-range", "\"a\"")]);
        assert_eq!(placed(&condition, partial, &with("bytes 2-5/10")), None);
        assert_eq!(placed(&none, StatusCode::NOT_FOUND, &whole), None);
    }

    #[test]
    fn the_fields_of_a_part_become_those_of_the_whole() {
        let part = fields(&[
            ("content-range", "bytes 2-5/10"),
            ("content-length", "4"),
            ("content-digest", "x"),
            ("content-type", "a/b"),
        ]);
        let whole = of_the_whole(StatusCode::PARTIAL_CONTENT, &part, 10);
        assert_eq!(
            whole,
            fields(&[("content-length", "10"), ("content-type", "a/b")])
        );
        let own = fields(&[("content-length", "10"), ("content-digest", "x")]);
        assert_eq!(of_the_whole(StatusCode::OK, &own, 10), own);
    }

    #[test]
    fn what_is_asked_for_is_of_one_version_only() {
        let stored = fields(&[("etag", "\"a\"")]);
        let mut sent = fields(&[("if-none-match", "x"), ("if-range", "x"), ("range", "x")]);
        let part = Slices::new(10, 4).unwrap().part(1, 2);
        ask(&mut sent, &part, &stored);
        assert_eq!(
            sent,
            fields(&[("range", "bytes=4-9"), ("if-match", "\"a\"")])
        );
        let brings = |status, lines: &[(&'static str, &str)]| {
            brings(&part, &stored, &sent, status, &fields(lines))
        };
        let partial = StatusCode::PARTIAL_CONTENT;
        let (tag, range) = (("etag", "\"a\""), ("content-range", "bytes 4-9/10"));
        assert!(brings(partial, &[tag, range]));
        assert!(!brings(StatusCode::OK, &[tag, range]));
        for odd in [
            &[("etag", "\"b\""), range][..],
            &[("etag", "W/\"a\""), range],
            &[range],
            &[tag, tag, range],
            &[tag, ("content-range", "bytes 4-8/10")],
            &[tag, ("content-range", "bytes 4-9/11")],
            &[tag, ("content-range", "bytes 4-9/*")],
            &[tag, range, ("content-length", "5")],
            &[tag],
        ] {
            assert!(!brings(partial, odd), "{odd:?}");
        }
    }

    proptest! {
        /// The slices that are needed have exactly the bytes that are asked for, in order.
        #[test]
        fn slices_make_up_what_is_asked_for(
            complete in 1_u64..5_000,
            size in 1_u64..400,
            a in 0_u64..5_000,
            b in 0_u64..5_000,
        ) {
            let slices = Slices::new(complete, size).unwrap();
            let (a, b) = (a % complete, b % complete);
            let (first, last) = (a.min(b), a.max(b));
            let mut next = first;
            for number in slices.needed(first, last) {
                let (low, high) = slices.within(number, first, last);
                prop_assert!(low <= high && high < slices.length(number));
                let (begin, end) = slices.bounds(number);
                prop_assert!(end - begin < size && begin.is_multiple_of(size));
                prop_assert_eq!(begin + low, next);
                next = begin + high + 1;
            }
            prop_assert_eq!(next, last + 1);
        }

        /// Pieces of any lengths are cut into whole slices.
        #[test]
        fn a_passing_body_is_cut_into_its_slices(
            complete in 1_u64..5_000,
            size in 1_u64..400,
            chunk in 1_u64..700,
        ) {
            let slices = Slices::new(complete, size).unwrap();
            let (mut at, mut ends) = (0, Vec::new());
            while at < complete {
                let mut left = chunk.min(complete - at);
                while left > 0 {
                    let cut = slices.cut(at, left);
                    prop_assert!(cut > 0 && cut <= left);
                    prop_assert_eq!(slices.at(at), slices.at(at + cut - 1));
                    (at, left) = (at + cut, left - cut);
                    if at == slices.bounds(slices.at(at - 1)).1 + 1 {
                        ends.push(slices.at(at - 1));
                    }
                }
            }
            let all: Vec<u64> = slices.needed(0, complete - 1).collect();
            prop_assert_eq!(ends, all);
        }

        /// Runs of lacking slices cover all of them once, and nothing that is stored.
        #[test]
        fn runs_cover_what_lacks(stored in prop::collection::vec(any::<bool>(), 1..60), most in 1_u64..9) {
            let slices = Slices::new(stored.len() as u64 * 3, 3).unwrap();
            let lacks = |number: u64| !stored[number as usize];
            let (mut number, last) = (0, stored.len() as u64 - 1);
            let mut fetched = vec![false; stored.len()];
            while number <= last {
                if !lacks(number) {
                    number += 1;
                    continue;
                }
                let end = slices.run(number, last, most, lacks);
                prop_assert!(end - number < most);
                for one in number..=end {
                    prop_assert!(lacks(one));
                    fetched[one as usize] = true;
                }
                number = end + 1;
            }
            let lacking: Vec<bool> = stored.iter().map(|stored| !stored).collect();
            prop_assert_eq!(fetched, lacking);
        }
    }
}

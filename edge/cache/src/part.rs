//! Parts of an answer (RFC 9111, sections 3.3 and 3.4; RFC 9110, section 14.4): what a 206 holds, what
//! a later request lacks, and which parts may be put together.

use http::{HeaderMap, HeaderValue, header};

use crate::conditional;
use crate::range::{self, Range};

/// Which bytes of the whole there are: from the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The first byte.
    pub first: u64,
    /// The last byte.
    pub last: u64,
    /// How many bytes the whole has, when that is known.
    pub complete: Option<u64>,
}

impl Part {
    /// The part that a 206 brings; none when it has several, or what it says makes no sense.
    ///
    /// A server that was asked for the end of the whole, and says that it gives it, may send fewer
    /// bytes than its `Content-Range` names. Its bytes are then believed: they begin where it says,
    /// and the whole ends where they end.
    #[must_use]
    pub fn of(request: &HeaderMap, response: &HeaderMap) -> Option<Self> {
        let mut lines = response.get_all(header::CONTENT_RANGE).iter();
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return None;
        };
        let mut part = Self::parse(line.to_str().ok()?)?;
        let length = response.get(header::CONTENT_LENGTH);
        let Some(length) = length.and_then(|length| range::number(length.to_str().ok()?)) else {
            return Some(part);
        };
        if length != part.len() {
            let is_end = range::is_suffix(request) && part.complete == Some(part.last + 1);
            if !is_end || length == 0 || length > part.len() {
                return None;
            }
            part.last = part.first + length - 1;
            part.complete = Some(part.last + 1);
        }
        Some(part)
    }

    /// Reads `bytes 0-4/10` or `bytes 0-4/*`.
    fn parse(text: &str) -> Option<Self> {
        let (unit, rest) = text.trim().split_once(' ')?;
        let (range, complete) = rest.trim().split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last) = (range::number(first)?, range::number(last)?);
        let complete = match complete {
            "*" => None,
            number => Some(range::number(number)?),
        };
        // Larger numbers are no positions, and could not be counted on from.
        let sane = first <= last && last < u64::MAX / 2 && complete.is_none_or(|all| last < all);
        (unit.eq_ignore_ascii_case("bytes") && sane).then_some(Self {
            first,
            last,
            complete,
        })
    }

    /// How many bytes it has.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a part is never empty")]
    pub fn len(&self) -> u64 {
        self.last - self.first + 1
    }

    /// The `Content-Range` of these bytes of the same whole.
    #[must_use]
    pub fn content_range(&self, first: u64, last: u64) -> Option<HeaderValue> {
        let text = match self.complete {
            Some(all) => format!("bytes {first}-{last}/{all}"),
            None => format!("bytes {first}-{last}/*"),
        };
        HeaderValue::from_str(&text).ok()
    }

    /// What of this part answers the request, from the first to the last byte of the whole; none when
    /// it lacks something.
    #[must_use]
    pub fn answers(&self, request: &HeaderMap, stored: &HeaderMap) -> Option<(u64, u64)> {
        let (first, last) = self.wanted(request, stored)?;
        // Where the whole ends is not known: so much of it as is asked for has to be here.
        (first >= self.first && last <= self.last).then_some((first, last))
    }

    /// The range that goes to the upstream for what is lacking behind this part; none when asking for
    /// that would not help, because the part is not the beginning of what is wanted.
    #[must_use]
    pub fn lacking(&self, request: &HeaderMap, stored: &HeaderMap) -> Option<Lacking> {
        let from = self.last + 1;
        if self.complete == Some(from) {
            return None;
        }
        if !request.contains_key(header::RANGE) {
            return (self.first == 0).then_some(Lacking {
                from,
                until: None,
                wanted: None,
            });
        }
        let (first, last) = self.wanted(request, stored)?;
        let begins = (self.first..=self.last).contains(&first) && last > self.last;
        begins.then_some(Lacking {
            from,
            until: (last != u64::MAX).then_some(last),
            wanted: Some((first, last)),
        })
    }

    fn wanted(&self, request: &HeaderMap, stored: &HeaderMap) -> Option<(u64, u64)> {
        let known = self.complete.unwrap_or(u64::MAX);
        if self.complete.is_none() && range::is_suffix(request) {
            return None;
        }
        match range::select(request, stored, known) {
            Range::Part(first, last) if self.complete.is_some() => Some((first, last)),
            Range::Part(first, last) => {
                Some((first, if last == u64::MAX - 1 { u64::MAX } else { last }))
            }
            _ => None,
        }
    }

    /// This part with another behind it, when both are of the same version (RFC 9111, section 3.4:
    /// they share a strong validator) and leave no gap. Bytes that both have are taken from this one.
    #[must_use]
    pub fn joined(&self, own: &HeaderMap, next: &Self, other: &HeaderMap) -> Option<Self> {
        let same = match (own.get(header::ETAG), other.get(header::ETAG)) {
            (Some(own), Some(other)) => conditional::is_strong(own) && own == other,
            _ => false,
        };
        let fits = (self.first..=self.last + 1).contains(&next.first) && next.last > self.last;
        let agrees = match (self.complete, next.complete) {
            (Some(own), Some(other)) => own == other,
            _ => true,
        };
        (same && fits && agrees).then_some(Self {
            first: self.first,
            last: next.last,
            complete: self.complete.or(next.complete),
        })
    }

    /// Whether it is the whole.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.first == 0 && self.complete == Some(self.last + 1)
    }
}

/// What is asked for behind a stored part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lacking {
    /// The first byte that is lacking.
    pub from: u64,
    /// The last byte that is wanted, when that is known.
    pub until: Option<u64>,
    /// What the client asked for of the whole, when it did not ask for all.
    pub wanted: Option<(u64, u64)>,
}

impl Lacking {
    /// Asks for it. `If-Range` keeps a new version from being taken for the rest of an old one; a weak
    /// tag cannot (RFC 9110, section 13.1.5).
    pub fn ask(&self, request: &mut HeaderMap, stored: &HeaderMap) {
        let range = match self.until {
            Some(until) => format!("bytes={}-{until}", self.from),
            None => format!("bytes={}-", self.from),
        };
        if let Ok(range) = HeaderValue::from_str(&range) {
            request.insert(header::RANGE, range);
        }
        if let Some(tag) = stored
            .get(header::ETAG)
            .filter(|tag| conditional::is_strong(tag))
        {
            request.insert(header::IF_RANGE, tag.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fields;

    fn part(first: u64, last: u64, complete: Option<u64>) -> Part {
        Part {
            first,
            last,
            complete,
        }
    }

    fn asked(range: &str) -> HeaderMap {
        fields(&[("range", range)])
    }

    #[test]
    fn a_206_tells_what_it_brings() {
        let of =
            |range: &str, lines: &[(&'static str, &str)]| Part::of(&asked(range), &fields(lines));
        let middle = [("content-range", "Bytes 2-5/10"), ("content-length", "4")];
        assert_eq!(of("bytes=2-5", &middle), Some(part(2, 5, Some(10))));
        assert_eq!(of("bytes=2-5", &middle[..1]), Some(part(2, 5, Some(10))));
        let open = [("content-range", "bytes 2-5/*")];
        assert_eq!(of("bytes=2-5", &open), Some(part(2, 5, None)));
        for odd in [
            "bytes 5-2/10",
            "bytes 2-10/10",
            "lines 2-5/10",
            "bytes 2-5",
            "bytes */10",
            "bytes 2-18446744073709551615/*",
        ] {
            assert_eq!(of("bytes=2-5", &[("content-range", odd)]), None, "{odd}");
        }
        assert_eq!(of("bytes=2-5", &[middle[0], middle[0]]), None);
        assert_eq!(of("bytes=2-5", &[]), None);
    }

    #[test]
    fn bytes_are_believed_about_the_end_that_was_asked_for() {
        let short = [("content-range", "bytes 4-9/10"), ("content-length", "5")];
        assert_eq!(
            Part::of(&asked("bytes=-5"), &fields(&short)),
            Some(part(4, 8, Some(9)))
        );
        assert_eq!(Part::of(&asked("bytes=4-9"), &fields(&short)), None);
        let long = [short[0], ("content-length", "7")];
        assert_eq!(Part::of(&asked("bytes=-5"), &fields(&long)), None);
    }

    #[test]
    fn a_part_answers_what_lies_within() {
        let none = HeaderMap::new();
        let end = part(4, 9, Some(10));
        assert_eq!(end.answers(&asked("bytes=6-8"), &none), Some((6, 8)));
        assert_eq!(end.answers(&asked("bytes=6-"), &none), Some((6, 9)));
        assert_eq!(end.answers(&asked("bytes=-1"), &none), Some((9, 9)));
        for other in [
            "bytes=0-5",
            "bytes=-8",
            "bytes=3-4",
            "bytes=10-",
            "bytes=4-5,7-8",
        ] {
            assert_eq!(end.answers(&asked(other), &none), None, "{other}");
        }
        assert_eq!(end.answers(&none, &none), None);
        let open = part(0, 4, None);
        assert_eq!(open.answers(&asked("bytes=1-4"), &none), Some((1, 4)));
        for other in ["bytes=1-", "bytes=-1", "bytes=1-5"] {
            assert_eq!(open.answers(&asked(other), &none), None, "{other}");
        }
    }

    #[test]
    fn only_what_lacks_is_asked_for() {
        let none = HeaderMap::new();
        let start = part(0, 4, Some(10));
        let lacks = |part: Part, request: &HeaderMap| {
            part.lacking(request, &none).map(|lacking| {
                let mut sent = HeaderMap::new();
                lacking.ask(&mut sent, &fields(&[("etag", "\"a\"")]));
                assert_eq!(sent["if-range"], "\"a\"");
                sent["range"].to_str().unwrap().to_owned()
            })
        };
        assert_eq!(lacks(start, &none).as_deref(), Some("bytes=5-"));
        assert_eq!(
            lacks(start, &asked("bytes=2-7")).as_deref(),
            Some("bytes=5-7")
        );
        assert_eq!(
            lacks(start, &asked("bytes=2-")).as_deref(),
            Some("bytes=5-9")
        );
        assert_eq!(lacks(start, &asked("bytes=6-7")), None);
        assert_eq!(lacks(part(2, 4, Some(10)), &none), None);
        assert_eq!(
            lacks(part(0, 4, None), &asked("bytes=2-")).as_deref(),
            Some("bytes=5-")
        );
    }

    #[test]
    fn parts_of_one_version_are_put_together() {
        let tag = |tag| fields(&[("etag", tag)]);
        let (first, second) = (part(0, 4, None), part(5, 9, Some(10)));
        let whole = first.joined(&tag("\"a\""), &second, &tag("\"a\"")).unwrap();
        assert!(whole.is_whole());
        for (own, other) in [("\"a\"", "\"b\""), ("W/\"a\"", "W/\"a\""), ("a", "a")] {
            assert_eq!(first.joined(&tag(own), &second, &tag(other)), None, "{own}");
        }
        assert_eq!(
            first.joined(&tag("\"a\""), &part(6, 9, None), &tag("\"a\"")),
            None
        );
        assert_eq!(
            first.joined(&tag("\"a\""), &part(1, 3, None), &tag("\"a\"")),
            None
        );
        let other = part(0, 4, Some(11));
        assert_eq!(other.joined(&tag("\"a\""), &second, &tag("\"a\"")), None);
    }

    proptest! {
        #[test]
        fn no_content_range_is_too_odd(text in "\\PC{0,40}|bytes [0-9]{0,21}-[0-9]{0,21}/[0-9*]{0,21}", range in "bytes=[0-9-]{0,9}") {
            let Ok(value) = HeaderValue::from_str(&text) else { return Ok(()) };
            let response = HeaderMap::from_iter([(header::CONTENT_RANGE, value)]);
            if let Some(part) = Part::of(&asked(&range), &response) {
                prop_assert!(part.first <= part.last);
                if let Some((first, last)) = part.answers(&asked(&range), &response) {
                    prop_assert!(part.first <= first && first <= last && last <= part.last);
                }
                let _ = part.lacking(&asked(&range), &response);
            }
        }
    }
}

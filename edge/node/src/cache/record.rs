//! What of a stored answer is written to disk before its body: all but its key.
//!
//! Little-endian: `version u8 · flags u8 · status u16`, the lifetime, the part or how the body is cut (the
//! size of a slice, nothing, the length of the whole), then lists that begin
//! with their lengths: names, fields of the answer, fields of the request that select it.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use std::time::Duration;
use zephyr_cache::{Freshness, Head, Part, Selection, Slices};

const VERSION: u8 = 1;
/// Of the head of a sliced answer, which who knows the first only must not take for one without a body.
const SLICED_VERSION: u8 = 2;
const NO_CACHE: u8 = 1;
const MUST_REVALIDATE: u8 = 2;
const IS_PART: u8 = 4;
const HAS_COMPLETE: u8 = 8;
const HAS_BEFORE: u8 = 16;
const IS_SLICED: u8 = 32;

/// An answer without its body.
pub(super) struct Record {
    pub(super) head: Head,
    pub(super) freshness: Freshness,
    pub(super) part: Option<Part>,
    /// How the body is cut, when it is not with this.
    pub(super) slices: Option<Slices>,
    pub(super) selection: Selection,
    /// The hashes of its names.
    pub(super) names: Vec<u64>,
}

/// Writes an answer; `request` is one that it is for.
pub(super) fn write(
    head: &Head,
    freshness: &Freshness,
    (part, slices): (Option<Part>, Option<Slices>),
    names: impl ExactSizeIterator<Item = u64>,
    (selection, request): (&Selection, &HeaderMap),
) -> Vec<u8> {
    let mut to = Vec::with_capacity(1024);
    let flag = |set: bool, flag| if set { flag } else { 0 };
    let complete = part.and_then(|part| part.complete);
    to.push(slices.map_or(VERSION, |_| SLICED_VERSION));
    to.push(
        flag(freshness.no_cache, NO_CACHE)
            | flag(freshness.must_revalidate, MUST_REVALIDATE)
            | flag(part.is_some(), IS_PART)
            | flag(complete.is_some(), HAS_COMPLETE)
            | flag(head.before.is_some(), HAS_BEFORE)
            | flag(slices.is_some(), IS_SLICED),
    );
    to.extend_from_slice(&head.status.as_u16().to_le_bytes());
    to.extend_from_slice(&freshness.arrived.as_secs().to_le_bytes());
    let seconds = [
        freshness.arrived.subsec_nanos(),
        freshness.initial_age,
        freshness.lifetime,
        freshness.stale_while_revalidate,
        freshness.stale_if_error,
        freshness.stale_if_unreachable,
    ];
    seconds
        .iter()
        .for_each(|value| to.extend_from_slice(&value.to_le_bytes()));
    let (first, last) = part.map_or((0, 0), |part| (part.first, part.last));
    let places = match slices {
        Some(slices) => [slices.size(), 0, slices.complete()],
        None => [first, last, complete.unwrap_or(0)],
    };
    for value in places {
        to.extend_from_slice(&value.to_le_bytes());
    }
    to.extend_from_slice(&(names.len() as u32).to_le_bytes());
    names.for_each(|name| to.extend_from_slice(&name.to_le_bytes()));
    if let Some(before) = &head.before {
        text(&mut to, before.as_bytes());
    }
    fields(&mut to, head.headers.iter());
    let selecting = selection.names();
    let selecting = selecting.flat_map(|name| {
        let values = request.get_all(name).iter();
        values.map(move |value| (name, value))
    });
    fields(&mut to, selecting);
    let all: Vec<_> = selection.names().collect();
    to.extend_from_slice(&(all.len() as u32).to_le_bytes());
    all.iter()
        .for_each(|name| text(&mut to, name.as_str().as_bytes()));
    to
}

fn text(to: &mut Vec<u8>, text: &[u8]) {
    to.extend_from_slice(&(text.len() as u32).to_le_bytes());
    to.extend_from_slice(text);
}

fn fields<'a>(to: &mut Vec<u8>, fields: impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)>) {
    let at = to.len();
    let mut count = 0_u32;
    to.extend_from_slice(&count.to_le_bytes());
    for (name, value) in fields {
        count += 1;
        text(to, name.as_str().as_bytes());
        text(to, value.as_bytes());
    }
    to[at..at + 4].copy_from_slice(&count.to_le_bytes());
}

/// Reads an answer; none when it is not one.
pub(super) fn read(bytes: Bytes) -> Option<Record> {
    let mut from = From(bytes);
    let flags = from.start()?;
    let status = StatusCode::from_u16(from.u16()?).ok()?;
    let seconds = from.u64()?;
    let nanos = from.u32()?;
    let freshness = Freshness {
        arrived: Duration::new(seconds, nanos.min(999_999_999)),
        initial_age: from.u32()?,
        lifetime: from.u32()?,
        stale_while_revalidate: from.u32()?,
        stale_if_error: from.u32()?,
        stale_if_unreachable: from.u32()?,
        no_cache: flags & NO_CACHE != 0,
        must_revalidate: flags & MUST_REVALIDATE != 0,
    };
    let (first, last, complete) = (from.u64()?, from.u64()?, from.u64()?);
    let part = (flags & IS_PART != 0).then_some(Part {
        first,
        last,
        complete: (flags & HAS_COMPLETE != 0).then_some(complete),
    });
    let slices = if flags & IS_SLICED == 0 {
        None
    } else {
        Some(Slices::new(complete, first)?)
    };
    let names = (0..from.u32()?)
        .map(|_| from.u64())
        .collect::<Option<_>>()?;
    let before = if flags & HAS_BEFORE == 0 {
        None
    } else {
        Some(from.value()?)
    };
    let headers = from.fields()?;
    let request = from.fields()?;
    let selecting = (0..from.u32()?).map(|_| from.name());
    let selecting = selecting.collect::<Option<Vec<_>>>()?;
    let head = Head {
        status,
        headers,
        before,
    };
    from.0.is_empty().then(|| Record {
        head,
        freshness,
        part,
        slices,
        selection: Selection::by(&selecting, &request),
        names,
    })
}

/// What is left to be read.
struct From(Bytes);

impl From {
    fn take(&mut self, length: usize) -> Option<Bytes> {
        (length <= self.0.len()).then(|| self.0.split_to(length))
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = self.take(N)?;
        bytes.as_ref().try_into().ok()
    }

    fn start(&mut self) -> Option<u8> {
        let [version, flags] = self.array()?;
        let known = if flags & IS_SLICED == 0 {
            VERSION
        } else {
            SLICED_VERSION
        };
        (version == known).then_some(flags)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Option<Bytes> {
        let length = self.u32()?;
        self.take(length as usize)
    }

    fn name(&mut self) -> Option<HeaderName> {
        HeaderName::from_bytes(&self.text()?).ok()
    }

    fn value(&mut self) -> Option<HeaderValue> {
        HeaderValue::from_maybe_shared(self.text()?).ok()
    }

    fn fields(&mut self) -> Option<HeaderMap> {
        let mut fields = HeaderMap::new();
        for _ in 0..self.u32()? {
            let (name, value) = (self.name()?, self.value()?);
            fields.try_append(name, value).ok()?;
        }
        Some(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> Vec<u8> {
        let mut headers = HeaderMap::new();
        headers.append("vary", HeaderValue::from_static("accept, x-none"));
        headers.append("x-a", HeaderValue::from_static("1"));
        headers.append("x-a", HeaderValue::from_bytes(b"\xff").unwrap());
        let head = Head::new(StatusCode::PARTIAL_CONTENT, &headers);
        let mut request = HeaderMap::new();
        request.append("accept", HeaderValue::from_static("Text/html, a/b"));
        let selection = Selection::new(&headers, &request).unwrap();
        let freshness = Freshness {
            arrived: Duration::new(1_795_000_000, 5),
            initial_age: 1,
            lifetime: 2,
            stale_while_revalidate: 3,
            stale_if_error: 4,
            stale_if_unreachable: 5,
            no_cache: false,
            must_revalidate: true,
        };
        let part = Some(Part {
            first: 6,
            last: 7,
            complete: None,
        });
        let bytes = write(
            &head,
            &freshness,
            (part, None),
            [8, 9].into_iter(),
            (&selection, &request),
        );
        let read = read(bytes.clone().into()).unwrap();
        assert_eq!((read.freshness, read.part), (freshness, part));
        assert_eq!(
            (read.head.status, &read.head.headers),
            (head.status, &head.headers)
        );
        assert_eq!(read.names, [8, 9]);
        assert_eq!(read.selection, selection);
        assert!(read.selection.matches(&request) && !read.selection.matches(&HeaderMap::new()));
        bytes
    }

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        let bytes = written();
        for end in 0..bytes.len() {
            assert!(
                read(Bytes::copy_from_slice(&bytes[..end])).is_none(),
                "cut at {end}"
            );
        }
    }

    #[test]
    fn a_sliced_answer_is_read_as_one() {
        let (headers, request) = (HeaderMap::new(), HeaderMap::new());
        let selection = Selection::new(&headers, &request).unwrap();
        let freshness = read(written().into()).unwrap().freshness;
        let (head, slices) = (
            Head::new(StatusCode::OK, &headers),
            Slices::new(10 << 30, 1 << 20),
        );
        let by = (&selection, &request);
        let mut bytes = write(&head, &freshness, (None, slices), std::iter::empty(), by);
        let record = read(bytes.clone().into()).unwrap();
        assert_eq!((record.part, record.slices), (None, slices));
        assert_eq!(
            bytes[0], SLICED_VERSION,
            "who does not know slices reads nothing"
        );
        bytes[0] = VERSION;
        assert!(read(bytes.into()).is_none());
    }

    #[test]
    fn anything_can_be_tried() {
        let bytes = written();
        for at in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = bytes.clone();
                bytes[at] = value;
                drop(read(bytes.into()));
            }
        }
    }
}

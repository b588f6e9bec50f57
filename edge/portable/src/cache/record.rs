//! What is stored of an answer beside its body, and how it is written down.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde::{Deserialize, Serialize};
use zephyr_cache::answer::CACHE_STATUS;
use zephyr_cache::{Freshness, Head, Part};

/// What lies under a key.
#[derive(Clone, Debug)]
pub enum Record {
    /// An answer.
    Answer(Box<Meta>),
    /// Answers that depend on these request fields lie elsewhere.
    Vary(Vec<String>),
}

/// An answer, all but its body.
#[derive(Clone, Debug)]
pub struct Meta {
    /// Its head.
    pub head: Head,
    /// Which part of the whole its body is, when it is one.
    pub part: Option<Part>,
    /// Its lifetime.
    pub freshness: Freshness,
    /// Marks of the names that it is purged by.
    pub names: Vec<String>,
    /// The version of the marks when its fetch began.
    pub began: u64,
    /// Bytes of its body, when known.
    pub length: Option<u64>,
}

impl Meta {
    /// Whether it has what the request asks for.
    pub(super) fn has(&self, method: &Method, request: &HeaderMap) -> bool {
        self.part.is_none_or(|part| {
            *method == Method::GET && part.answers(request, &self.head.headers).is_some()
        })
    }
}

/// The form on disk. Another version's is not read, which costs a fetch.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    v: u32,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    vary: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    answer: Option<WrittenMeta>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenMeta {
    status: u16,
    headers: Vec<(String, String)>,
    before: Option<String>,
    arrived_ms: u64,
    initial_age: u32,
    lifetime: u32,
    swr: u32,
    sie: u32,
    unreachable: u32,
    no_cache: bool,
    must_revalidate: bool,
    names: Vec<String>,
    began: u64,
    length: Option<u64>,
    /// First and last byte, and the length of the whole.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    part: Option<(u64, u64, Option<u64>)>,
}

const VERSION: u32 = 2;

impl Record {
    /// The record as JSON: ASCII only, so that it fits a header field as well.
    #[must_use]
    pub fn to_json(&self) -> String {
        let written = match self {
            Self::Vary(names) => Written {
                v: VERSION,
                vary: names.clone(),
                answer: None,
            },
            Self::Answer(meta) => Written {
                v: VERSION,
                vary: Vec::new(),
                answer: Some(write(meta)),
            },
        };
        let json = serde_json::to_string(&written);
        ascii(&json.expect("texts and numbers are always valid JSON"))
    }

    /// Reads a record; none when it is not one of this version.
    #[must_use]
    pub fn from_json(json: &[u8]) -> Option<Self> {
        let written: Written = serde_json::from_slice(json).ok()?;
        if written.v != VERSION {
            return None;
        }
        match written.answer {
            Some(meta) => read(meta).map(|meta| Self::Answer(Box::new(meta))),
            None => Some(Self::Vary(written.vary)),
        }
    }

    /// Tells how many bytes the body turned out to have.
    pub fn set_length(&mut self, length: u64) {
        if let Self::Answer(meta) = self {
            meta.length = Some(length);
        }
    }

    /// Whether a body of so many bytes is the whole (RFC 9111, section 3.3).
    #[must_use]
    pub fn is_whole(&self, length: u64) -> bool {
        match self {
            Self::Vary(_) => length == 0,
            Self::Answer(meta) => {
                if let Some(part) = meta.part {
                    return part.len() == length;
                }
                let told = meta.head.headers.get(header::CONTENT_LENGTH);
                told.is_none_or(|told| {
                    told.to_str().ok().and_then(|told| told.parse().ok()) == Some(length)
                })
            }
        }
    }
}

/// Bytes as ISO 8859-1, so that any value comes back as it was.
fn text(value: &HeaderValue) -> String {
    value.as_bytes().iter().copied().map(char::from).collect()
}

fn value(text: &str) -> Option<HeaderValue> {
    let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
    HeaderValue::from_bytes(&bytes?).ok()
}

/// JSON with everything above ASCII escaped.
fn ascii(json: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() && c != '\u{7f}' {
            out.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

fn write(meta: &Meta) -> WrittenMeta {
    let freshness = &meta.freshness;
    // These two are written anew for every request.
    let own = |name: &&HeaderName| **name != header::AGE && **name != CACHE_STATUS;
    let lines = meta.head.headers.iter();
    WrittenMeta {
        status: meta.head.status.as_u16(),
        headers: lines
            .filter(|(name, _)| own(name))
            .map(|(name, value)| (name.as_str().to_owned(), text(value)))
            .collect(),
        before: meta.head.before.as_ref().map(text),
        arrived_ms: u64::try_from(freshness.arrived.as_millis()).unwrap_or_default(),
        initial_age: freshness.initial_age,
        lifetime: freshness.lifetime,
        swr: freshness.stale_while_revalidate,
        sie: freshness.stale_if_error,
        unreachable: freshness.stale_if_unreachable,
        no_cache: freshness.no_cache,
        must_revalidate: freshness.must_revalidate,
        names: meta.names.clone(),
        began: meta.began,
        length: meta.length,
        part: meta.part.map(|part| (part.first, part.last, part.complete)),
    }
}

fn read(written: WrittenMeta) -> Option<Meta> {
    let mut headers = HeaderMap::with_capacity(written.headers.len() + 2);
    for (name, line) in &written.headers {
        headers.append(HeaderName::from_bytes(name.as_bytes()).ok()?, value(line)?);
    }
    let status = StatusCode::from_u16(written.status).ok()?;
    let part = match written.part {
        Some((first, last, _)) if first > last || last == u64::MAX => return None,
        part => part.map(|(first, last, complete)| Part {
            first,
            last,
            complete,
        }),
    };
    let mut head = Head::new(status, &headers);
    head.before = written.before.as_deref().and_then(value);
    Some(Meta {
        head,
        part,
        freshness: Freshness {
            arrived: Duration::from_millis(written.arrived_ms),
            initial_age: written.initial_age,
            lifetime: written.lifetime,
            stale_while_revalidate: written.swr,
            stale_if_error: written.sie,
            stale_if_unreachable: written.unreachable,
            no_cache: written.no_cache,
            must_revalidate: written.must_revalidate,
        },
        names: written.names,
        began: written.began,
        length: written.length,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_comes_back_as_it_was() {
        let mut headers = HeaderMap::new();
        headers.append(
            "x-a",
            HeaderValue::from_bytes(b"caf\xe9 \"quoted\"").unwrap(),
        );
        headers.append("set-cookie", HeaderValue::from_static("a=1"));
        headers.append("set-cookie", HeaderValue::from_static("b=2"));
        headers.append("cdn-cache-control", HeaderValue::from_static("max-age=5"));
        headers.append("cache-status", HeaderValue::from_static("Other; hit"));
        let meta = Meta {
            head: Head::new(StatusCode::OK, &headers),
            part: None,
            freshness: Freshness {
                arrived: Duration::from_millis(1_795_000_000_123),
                initial_age: 1,
                lifetime: 2,
                stale_while_revalidate: 3,
                stale_if_error: 4,
                stale_if_unreachable: 5,
                no_cache: true,
                must_revalidate: false,
            },
            names: vec!["ab".to_owned()],
            began: 7,
            length: None,
        };
        let mut record = Record::Answer(Box::new(meta.clone()));
        record.set_length(9);
        let json = record.to_json();
        assert!(json.is_ascii(), "{json}");
        let Some(Record::Answer(read)) = Record::from_json(json.as_bytes()) else {
            panic!("{json}");
        };
        assert_eq!(read.head.headers, meta.head.headers);
        assert_eq!(read.head.before.unwrap(), "Other; hit");
        assert_eq!(read.freshness, meta.freshness);
        assert_eq!(
            (read.names, read.began, read.length),
            (meta.names, 7, Some(9))
        );
    }

    #[test]
    fn a_part_comes_back_and_one_that_ends_before_it_begins_does_not() {
        let meta = Meta {
            head: Head::new(StatusCode::PARTIAL_CONTENT, &HeaderMap::new()),
            part: Some(Part {
                first: 2,
                last: 4,
                complete: Some(10),
            }),
            freshness: Freshness {
                arrived: Duration::ZERO,
                initial_age: 0,
                lifetime: 0,
                stale_while_revalidate: 0,
                stale_if_error: 0,
                stale_if_unreachable: 0,
                no_cache: false,
                must_revalidate: false,
            },
            names: Vec::new(),
            began: 0,
            length: None,
        };
        let record = Record::Answer(Box::new(meta.clone()));
        assert!(record.is_whole(3) && !record.is_whole(4));
        let json = record.to_json();
        let Some(Record::Answer(read)) = Record::from_json(json.as_bytes()) else {
            panic!("{json}");
        };
        assert_eq!(read.part, meta.part);
        for bad in ["[4,2,10]", "[0,18446744073709551615,null]"] {
            let json = json.replace("[2,4,10]", bad);
            assert!(Record::from_json(json.as_bytes()).is_none(), "{json}");
        }
    }

    #[test]
    fn what_is_not_a_record_is_none() {
        for text in ["", "{}", "{\"v\":1}", "{\"v\":2,\"x\":1}", "[]"] {
            assert!(Record::from_json(text.as_bytes()).is_none(), "{text}");
        }
    }
}

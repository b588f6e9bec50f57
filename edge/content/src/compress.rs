//! Answers compressed while they stream: which ones ([`eligible`]), by what ([`encoder`]), and without
//! holding up the other requests of a worker ([`body`]).
//!
//! An answer's entity tag is made weak: the bytes are others, what they mean is not. A tag of its own
//! for each coding would be strong, and would have to be taken apart again in every condition on its
//! way to the upstream; a weak one goes there as it is, and is what RFC 9110, section 8.8.1 means by
//! weak. The price is that such an answer cannot be continued with `If-Range`, nor changed with
//! `If-Match`.

pub mod body;
pub mod eligible;
mod encoder;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use http::{HeaderMap, HeaderName, HeaderValue, header};

pub use encoder::Encoder;

use crate::Coding;

/// How answers are compressed.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What is offered, best first.
    pub offer: Vec<Coding>,
    /// 1 to 19.
    pub zstd_level: i32,
    /// 0 to 11.
    pub brotli_level: u32,
    /// 1 to 9.
    pub gzip_level: u32,
    /// Shorter answers stay as they are.
    pub min_bytes: u64,
    /// Media types in lower case; `text/*` stands for all of a type.
    pub types: Vec<String>,
    /// Answers that are compressed at once; more go out as they are.
    pub max_streams: usize,
}

/// Compresses the answers of a node.
#[derive(Debug)]
pub struct Compressor {
    settings: Settings,
    active: Arc<AtomicUsize>,
}

/// A place among the answers that are compressed at once, until dropped.
#[derive(Debug)]
pub struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Compressor {
    /// One that compresses nothing yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            active: Arc::default(),
        }
    }

    /// How.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Takes a place; none when all are taken.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        let before = self.active.fetch_add(1, Relaxed);
        let place = Place(Arc::clone(&self.active));
        (before < self.settings.max_streams).then_some(place)
    }

    /// An encoder for an answer of this length, if that is known.
    ///
    /// # Errors
    ///
    /// The encoder cannot be made, for want of memory, or it needs a dictionary.
    pub fn encoder(
        &self,
        coding: Coding,
        length: Option<u64>,
        place: Place,
    ) -> io::Result<Encoder> {
        Encoder::new(coding, &self.settings, length, place)
    }
}

/// Says in a head that the body is in this coding.
pub fn dress(headers: &mut HeaderMap, coding: Coding) {
    headers.insert(header::CONTENT_ENCODING, coding.value());
    for name in [header::CONTENT_LENGTH, header::ACCEPT_RANGES] {
        headers.remove(name);
    }
    weaken(headers);
}

/// Makes the entity tag weak; what is no tag goes.
pub fn weaken(headers: &mut HeaderMap) {
    let Some(etag) = headers.get(header::ETAG) else {
        return;
    };
    if etag.as_bytes().starts_with(b"W/") {
        return;
    }
    let weak = [b"W/", etag.as_bytes()].concat();
    match HeaderValue::from_bytes(&weak) {
        Ok(weak) if weak.as_bytes().starts_with(b"W/\"") => {
            headers.insert(header::ETAG, weak);
        }
        _ => {
            headers.remove(header::ETAG);
        }
    }
}

/// Adds a name to `Vary`, unless it is there.
pub fn vary(headers: &mut HeaderMap, name: &HeaderName) {
    let known = headers.get_all(header::VARY).iter().any(|line| {
        let mut names = line.as_bytes().split(|byte| *byte == b',');
        names.any(|known| {
            let known = known.trim_ascii();
            known == b"*" || known.eq_ignore_ascii_case(name.as_str().as_bytes())
        })
    });
    if !known {
        headers.append(header::VARY, HeaderValue::from(name.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_compressed_answers() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ETAG, HeaderValue::from_static("\"a\""));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(5));
        headers.insert(header::VARY, HeaderValue::from_static("origin, Accept"));
        dress(&mut headers, Coding::Br);
        vary(&mut headers, &header::ACCEPT_ENCODING);
        vary(&mut headers, &header::ACCEPT_ENCODING);
        assert_eq!(headers[header::ETAG], "W/\"a\"");
        assert_eq!(headers[header::CONTENT_ENCODING], "br");
        assert!(!headers.contains_key(header::CONTENT_LENGTH));
        let lines: Vec<_> = headers.get_all(header::VARY).iter().collect();
        assert_eq!(lines, ["origin, Accept", "accept-encoding"]);
        headers.insert(header::VARY, HeaderValue::from_static("*"));
        vary(&mut headers, &header::ACCEPT_ENCODING);
        assert_eq!(headers[header::VARY], "*");
        headers.insert(header::ETAG, HeaderValue::from_static("a"));
        weaken(&mut headers);
        assert!(!headers.contains_key(header::ETAG));
    }
}

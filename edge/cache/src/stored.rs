//! The head of an answer as it is stored.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::answer::{self, CACHE_STATUS};
use crate::cache_control::CacheControl;

/// What a field costs beside its name and value: its place in the map, and in the map's index.
const FIELD: usize = 128;

/// The head of an answer, ready to be given. `age` and `cache-status` are there already, so that
/// writing the right ones into a copy moves nothing.
#[derive(Clone, Debug)]
pub struct Head {
    /// The status.
    pub status: StatusCode,
    /// Without hop-by-hop fields and what is for the cache alone.
    pub headers: HeaderMap,
    /// `Cache-Status` of caches before this one.
    pub before: Option<HeaderValue>,
}

impl Head {
    /// Takes a copy of its own of every value: those that came from a connection share that
    /// connection's read buffer, which would be kept as a whole. Fields that `no-cache` and `private`
    /// name stay out (RFC 9111, sections 5.2.2.4 and 5.2.2.7).
    #[must_use]
    pub fn new(status: StatusCode, headers: &HeaderMap) -> Self {
        let length = headers.values().map(HeaderValue::len).sum();
        let mut text = Vec::with_capacity(length);
        for value in headers.values() {
            text.extend_from_slice(value.as_bytes());
        }
        let unstored = CacheControl::for_this_cache(headers).0.unstored;
        // One allocation for all: a copy of the map counts up one shared counter.
        let text = Bytes::from(text);
        let mut own = HeaderMap::with_capacity(headers.len() + 2);
        let mut at = 0;
        for (name, value) in headers {
            let end = at + value.len();
            let copy = HeaderValue::from_maybe_shared(text.slice(at..end));
            at = end;
            let mut copy = copy.unwrap_or_else(|_| value.clone());
            copy.set_sensitive(value.is_sensitive());
            let stored = *name != header::AGE && *name != CACHE_STATUS && !unstored.contains(name);
            if stored {
                own.append(name.clone(), copy);
            }
        }
        answer::strip(&mut own);
        own.insert(header::AGE, HeaderValue::from_static("0"));
        own.insert(CACHE_STATUS, HeaderValue::from_static(""));
        Self {
            status,
            headers: own,
            before: answer::joined(headers, &CACHE_STATUS),
        }
    }

    /// The fields that the upstream gave, for a 304 to update.
    #[must_use]
    pub fn original(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        headers.remove(header::AGE);
        headers.remove(CACHE_STATUS);
        headers
    }

    /// Bytes it takes, about.
    #[must_use]
    pub fn size(&self) -> usize {
        let field = |(name, value): (&http::HeaderName, &HeaderValue)| {
            name.as_str().len() + value.len() + FIELD
        };
        let before = self.before.as_ref().map_or(0, HeaderValue::len);
        self.headers.iter().map(field).sum::<usize>() + before
    }
}

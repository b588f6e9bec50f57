//! The head of an answer as it is stored.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::answer::{self, CACHE_STATUS};
use crate::targeted::CDN_CACHE_CONTROL;

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
    /// What the answer says to this kind of cache only; needed again when a 304 updates it.
    pub targeted: Option<HeaderValue>,
}

impl Head {
    /// Takes a copy of its own of every value: those that came from a connection share that
    /// connection's read buffer, which would be kept as a whole.
    #[must_use]
    pub fn new(status: StatusCode, headers: &HeaderMap) -> Self {
        let length = headers.values().map(HeaderValue::len).sum();
        let mut text = Vec::with_capacity(length);
        for value in headers.values() {
            text.extend_from_slice(value.as_bytes());
        }
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
            if *name != header::AGE && *name != CACHE_STATUS {
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
            targeted: answer::joined(headers, &CDN_CACHE_CONTROL),
        }
    }

    /// The fields that the upstream gave, for a 304 to update.
    #[must_use]
    pub fn original(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        headers.remove(header::AGE);
        headers.remove(CACHE_STATUS);
        if let Some(targeted) = &self.targeted {
            headers.insert(CDN_CACHE_CONTROL, targeted.clone());
        }
        headers
    }

    /// Bytes it takes, about.
    #[must_use]
    pub fn size(&self) -> usize {
        let field = |(name, value): (&http::HeaderName, &HeaderValue)| {
            name.as_str().len() + value.len() + FIELD
        };
        let hidden = [&self.before, &self.targeted];
        let hidden = hidden.into_iter().flatten().map(HeaderValue::len);
        self.headers.iter().map(field).sum::<usize>() + hidden.sum::<usize>()
    }
}

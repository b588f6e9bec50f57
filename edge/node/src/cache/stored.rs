//! One stored answer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use zephyr_cache::Freshness;
use zephyr_cache::targeted::CDN_CACHE_CONTROL;
use zephyr_cache::vary::Selection;

use super::answer::CACHE_STATUS;
use super::tags::Names;

/// What a stored answer costs beside what it holds.
const ANSWER: usize = 512;
/// What a field costs beside its name and value: its place in the map, and in the map's index.
const FIELD: usize = 128;

/// For how long an upstream that failed is left alone, in seconds.
const BACK_OFF: u64 = 2;

/// The head of an answer, ready to be given. `age` and `cache-status` are there already, so that
/// writing the right ones into a copy moves nothing.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    /// Without hop-by-hop fields and what is for the cache alone.
    pub(super) headers: HeaderMap,
    /// `Cache-Status` of caches before this one.
    pub(super) before: Option<HeaderValue>,
    /// What the answer says to this kind of cache only; needed again when a 304 updates it.
    pub(super) targeted: Option<HeaderValue>,
}

impl Head {
    /// Takes a copy of its own of every value: those that came from a connection share that
    /// connection's read buffer, which would be kept as a whole.
    pub(super) fn new(status: StatusCode, headers: &HeaderMap) -> Self {
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
        super::answer::strip(&mut own);
        own.insert(header::AGE, HeaderValue::from_static("0"));
        own.insert(CACHE_STATUS, HeaderValue::from_static(""));
        Self {
            status,
            headers: own,
            before: super::answer::joined(headers, &CACHE_STATUS),
            targeted: super::answer::joined(headers, &CDN_CACHE_CONTROL),
        }
    }

    /// The fields that the upstream gave, for a 304 to update.
    pub(super) fn original(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        headers.remove(header::AGE);
        headers.remove(CACHE_STATUS);
        if let Some(targeted) = &self.targeted {
            headers.insert(CDN_CACHE_CONTROL, targeted.clone());
        }
        headers
    }

    fn size(&self) -> usize {
        let field = |(name, value): (&http::HeaderName, &HeaderValue)| {
            name.as_str().len() + value.len() + FIELD
        };
        let hidden = [&self.before, &self.targeted];
        let hidden = hidden.into_iter().flatten().map(HeaderValue::len);
        self.headers.iter().map(field).sum::<usize>() + hidden.sum::<usize>()
    }
}

/// An answer as it was stored. Shared: a hit takes no copy of it.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) head: Head,
    pub(super) body: Bytes,
    pub(super) freshness: Freshness,
    pub(super) selection: Selection,
    pub(super) names: Names,
    /// Whether somebody refreshes it right now.
    pub(super) refreshing: AtomicBool,
    /// Until when the upstream is not asked about it again, in seconds since the Unix epoch.
    backs_off_until: AtomicU64,
    size: usize,
}

impl Stored {
    pub(super) fn new(
        head: Head,
        body: Bytes,
        freshness: Freshness,
        selection: Selection,
        names: Names,
    ) -> Self {
        let size = ANSWER + body.len() + head.size() + selection.size() + names.size();
        Self {
            head,
            body,
            freshness,
            selection,
            names,
            refreshing: AtomicBool::new(false),
            backs_off_until: AtomicU64::new(0),
            size,
        }
    }

    /// Notes that the upstream has failed to answer for it.
    pub(super) fn upstream_failed(&self, now: Duration) {
        self.backs_off_until
            .store(now.as_secs() + BACK_OFF, Relaxed);
    }

    /// Whether the upstream has failed just now, so that nobody needs to wait for it to fail again.
    pub(super) fn backs_off(&self, now: Duration) -> bool {
        let until = self.backs_off_until.load(Relaxed);
        // A clock set back must not make it longer.
        (1..=BACK_OFF).contains(&until.saturating_sub(now.as_secs()))
    }

    /// Bytes it takes, about: what it holds and what holding it costs.
    pub(super) fn size(&self) -> usize {
        self.size
    }
}

//! One stored answer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http::{HeaderMap, Method, header};
use zephyr_cache::vary::Selection;
use zephyr_cache::{Freshness, Head, Part, Slices, revalidate};

use super::content::Content;
use super::tags::Names;

/// What a stored answer costs beside what it holds.
const ANSWER: usize = 512;

/// For how long an upstream that failed is left alone, in seconds.
const BACK_OFF: u64 = 2;

/// An answer as it was stored. Shared: a hit takes no copy of it.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) head: Head,
    /// The whole, or the part of it that is stored.
    pub(super) body: Content,
    /// Which part that is, when it is not the whole.
    pub(super) part: Option<Part>,
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
        (body, part): (Content, Option<Part>),
        freshness: Freshness,
        selection: Selection,
        names: Names,
    ) -> Self {
        let size = ANSWER + body.weight() + head.size() + selection.size() + names.size();
        Self {
            head,
            body,
            part,
            freshness,
            selection,
            names,
            refreshing: AtomicBool::new(false),
            backs_off_until: AtomicU64::new(0),
            size,
        }
    }

    /// The same with another body.
    pub(super) fn with_body(&self, body: Content) -> Self {
        Self::new(
            self.head.clone(),
            (body, self.part),
            self.freshness,
            self.selection.clone(),
            self.names.clone(),
        )
    }

    /// Whether it has what the request asks for.
    pub(super) fn has(&self, method: &Method, request: &HeaderMap) -> bool {
        self.part.is_none_or(|part| {
            *method == Method::GET && part.answers(request, &self.head.headers).is_some()
        })
    }

    /// How the body is cut, when it is stored in slices.
    pub(super) fn slices(&self) -> Option<Slices> {
        match self.body {
            Content::Slices(slices) => Some(slices),
            _ => None,
        }
    }

    /// Whether it has all bytes from `low` to `high`.
    pub(super) fn covers(&self, low: u64, high: u64) -> bool {
        let (first, last) = match self.part {
            Some(part) => (part.first, part.last),
            None => (0, self.body.length().saturating_sub(1)),
        };
        first <= low && high <= last
    }

    /// Whether it can stay beside a part that has just come: as another part of the same version.
    pub(super) fn stays_beside(&self, new: &Self) -> bool {
        let (Some(own), Some(other)) = (self.part, new.part) else {
            return false;
        };
        let within = other.first <= own.first && own.last <= other.last;
        let tag = self.head.headers.get(header::ETAG);
        !within
            && tag.is_some_and(revalidate::is_strong)
            && tag == new.head.headers.get(header::ETAG)
            && own.complete == other.complete
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

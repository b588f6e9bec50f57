//! Answering from a sliced answer.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use http::response::Parts;
use zephyr_cache::answer::{self, Held};
use zephyr_cache::{Slices, Status};

use super::body::Source;
use super::walk::Walk;
use super::{MAX_LOOK, Sliced};
use crate::body::Body;
use crate::cache::content::Content;
use crate::cache::key::Key;
use crate::cache::lookup::Given;
use crate::cache::stored::Stored;
use crate::cache::{Cache, Fetch, Served};
use crate::error::ProxyError;
use crate::exchange::Exchange;

impl Cache {
    /// Answers with a fresh sliced answer. None when the upstream does not give what lacks, before
    /// anything went to the client: the request has to go on as it is.
    pub(in crate::cache) async fn give_slices(
        self: &Arc<Self>,
        key: &Key,
        x: &Exchange,
        (given, slices): (&Given, Slices),
        waited: Option<&'static str>,
        only_stored: bool,
        fetch: &Rc<dyn Fetch>,
    ) -> Option<Served> {
        let stored = &given.stored;
        let mut status = Status {
            hit: waited.is_none(),
            forward: waited,
            ttl: Some(given.freshness.ttl(given.now)),
            collapsed: waited.is_some(),
            detail: given.detail,
            ..Status::default()
        };
        let slot = self.slot(key.hash());
        let (parts, wanted) = head(stored, slices, x, given.now, &status);
        let Some(wanted) = wanted else {
            slot.hits.fetch_add(1, Relaxed);
            return Some(Ok((parts, Body::Empty)));
        };
        let sliced = self.sliced(key, stored, slices);
        if waited.is_none()
            && let Some(bytes) = sliced.one_of(wanted).await
        {
            slot.hits.fetch_add(1, Relaxed);
            self.slice_hits.fetch_add(1, Relaxed);
            return Some(Ok((parts, Body::full(bytes))));
        }
        if only_stored && !sliced.is_stored(wanted).await {
            return Some(Err(ProxyError::not_stored()));
        }
        let mut body = Walk::start(sliced, x, fetch, wanted);
        let source = match body.first().await {
            Ok(source) => source,
            Err(failed) => {
                tracing::debug!(request.id = &*x.id, error = %failed, "{failed}");
                return None;
            }
        };
        let behind = usize::from(source == Source::Store);
        let lacks = self.sliced(key, stored, slices).lacking(wanted, behind);
        if source == Source::Store && !lacks {
            slot.hits.fetch_add(1, Relaxed);
            return Some(Ok((parts, Body::stream(body))));
        }
        slot.misses.fetch_add(1, Relaxed);
        status.hit = false;
        // RFC 9211, section 2.2.
        status.forward = Some("partial");
        status.stored = true;
        status.collapsed |= source == Source::Other;
        if source == Source::Upstream {
            status.forward_status = Some(http::StatusCode::PARTIAL_CONTENT.as_u16());
        }
        let (parts, _) = head(stored, slices, x, given.now, &status);
        Some(Ok((parts, Body::stream(body))))
    }

    /// Answers a request from the store, whatever the body is. What lacks of a sliced one is fetched
    /// while it is read.
    pub(in crate::cache) fn answer_from(
        self: &Arc<Self>,
        key: &Key,
        x: &Exchange,
        stored: &Arc<Stored>,
        now: Duration,
        status: &Status<'_>,
        fetch: &Rc<dyn Fetch>,
    ) -> (Parts, Body) {
        let Content::Slices(slices) = stored.body else {
            let (method, request) = (&x.request.method, &x.request.headers);
            return crate::cache::answer::from_store(stored, method, request, now, status);
        };
        let (parts, wanted) = head(stored, slices, x, now, status);
        let body = wanted.map_or(Body::Empty, |wanted| {
            let sliced = self.sliced(key, stored, slices);
            Body::stream(Walk::start(sliced, x, fetch, wanted))
        });
        (parts, body)
    }

    /// Whether all that a request gets of a stored answer is stored.
    pub(in crate::cache) fn has_all_of(
        self: &Arc<Self>,
        key: &Key,
        x: &Exchange,
        stored: &Arc<Stored>,
    ) -> bool {
        let Content::Slices(slices) = stored.body else {
            return true;
        };
        let (_, wanted) = head(stored, slices, x, self.now(), &Status::default());
        wanted.is_none_or(|wanted| !self.sliced(key, stored, slices).lacking(wanted, 0))
    }

    fn sliced(self: &Arc<Self>, key: &Key, stored: &Arc<Stored>, slices: Slices) -> Sliced {
        Sliced::of(Arc::clone(self), key.clone(), Arc::clone(stored), slices)
    }
}

impl Sliced {
    /// These bytes, when they are stored and all of one slice, which needs no task of its own.
    async fn one_of(&self, (first, last): (u64, u64)) -> Option<Bytes> {
        let number = self.slices.at(first);
        let (low, high) = self.slices.within(number, first, last);
        if self.slices.at(last) != number {
            return None;
        }
        self.find(number, low, high).await
    }

    /// Whether all of these bytes are stored, for who takes nothing else.
    async fn is_stored(&self, (first, last): (u64, u64)) -> bool {
        let number = self.slices.at(first);
        let (low, high) = self.slices.within(number, first, last);
        let few = self.slices.at(last) - number < MAX_LOOK as u64;
        few && self.find(number, low, high).await.is_some() && !self.lacking((first, last), 1)
    }
}

/// The head of the answer, and which bytes of the whole go with it.
fn head(
    stored: &Stored,
    slices: Slices,
    x: &Exchange,
    now: Duration,
    status: &Status<'_>,
) -> (Parts, Option<(u64, u64)>) {
    let (head, freshness) = (&stored.head, &stored.freshness);
    let held = Held::Whole(slices.complete());
    let (method, request) = (&x.request.method, &x.request.headers);
    let (parts, part) = answer::from_store(head, held, freshness, method, request, now, status);
    let wanted = match part {
        answer::Part::Whole => Some((0, slices.complete() - 1)),
        answer::Part::Nothing => None,
        answer::Part::Range(first, last) => Some((first, last)),
    };
    (parts, wanted)
}

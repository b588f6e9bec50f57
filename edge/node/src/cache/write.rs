//! Writes: what they make stale is dropped before their answer is given, so that whoever wrote reads
//! the new state.

use std::rc::Rc;
use std::sync::Arc;

use http::Method;
use http::response::Parts;
use zephyr_cache::{Head, Selection, Status, invalidate, name};

use super::forward::{Trip, candidate, copy};
use super::keep::Keep;
use super::key::Probe;
use super::take::length;
use super::{Cache, Fetch, Served, answer, fill};
use crate::body::Body;
use crate::exchange::Exchange;

impl Cache {
    /// A request with an unsafe method (RFC 9111, section 4.4; RFC 9875, section 3).
    pub(super) async fn write(
        self: &Arc<Self>,
        x: &mut Exchange,
        body: Body,
        fetch: &Rc<dyn Fetch>,
        reason: &'static str,
        detail: Option<&str>,
    ) -> Served {
        let (scheme, authority) = (x.scheme, Arc::clone(&x.authority));
        let uri = x.request.uri.clone();
        self.count_miss(0);
        let asked = self.now();
        let method = x.request.method.clone();
        let fetched = fetch.fetch(x, copy(x, body)).await;
        let fetched = fetched.map_err(|error| error.forwarded(reason, detail))?;
        let (mut parts, body) = fetched.into_parts();
        let drop = |name: zephyr_cache::Name<'_>| {
            self.tags.purge(name);
        };
        let (filters, response) = (&x.cache, &parts.headers);
        name::of_write(
            scheme,
            &authority,
            &uri,
            filters,
            parts.status,
            response,
            drop,
        );
        // Who wrote is not told before that outlives this process.
        self.tags.written().await;
        let mut status = Status {
            forward: Some(reason),
            forward_status: Some(parts.status.as_u16()),
            detail,
            ..Status::default()
        };
        let itself = method == Method::POST
            && invalidate::names_itself(&parts.headers, scheme, &authority, &uri);
        let body = if itself {
            // After the purge: it is the new state.
            let trip = Trip {
                began: self.tags.begin(),
                asked,
                arrived: self.now(),
            };
            self.take_post(x, &mut status, &mut parts, body, trip).await
        } else {
            body
        };
        answer::strip(&mut parts.headers);
        answer::tell(&mut parts.headers, &status);
        Ok((parts, body))
    }

    /// Stores the answer to a POST that stands for a GET of the same URL (RFC 9110, section 9.3.3), if
    /// it may be.
    async fn take_post(
        self: &Arc<Self>,
        x: &Exchange,
        status: &mut Status<'_>,
        parts: &mut Parts,
        body: Body,
        trip: Trip,
    ) -> Body {
        answer::set_date(&mut parts.headers, trip.arrived);
        let request = &x.request.headers;
        let assessed = candidate(x, parts.status, &parts.headers, trip).assess_post();
        let fits = length(&parts.headers, &body) <= self.largest;
        let (Ok(freshness), Some(selection), true) =
            (assessed, Selection::new(&parts.headers, request), fits)
        else {
            return body;
        };
        status.stored = true;
        status.ttl = Some(freshness.ttl(trip.arrived));
        let key = Probe::of(x, &self.hasher).to_key();
        let flight = self.flight_of(key.hash(), &selection, request, false);
        let keep = Keep {
            cache: Arc::clone(self),
            key,
            flight,
            request: request.clone(),
            head: Head::new(parts.status, &parts.headers),
            part: None,
            freshness,
            selection,
            names: self.names(x, &parts.headers, trip.began),
            pilot: None,
        };
        fill::collect(body, keep).await
    }
}

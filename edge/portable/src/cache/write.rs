//! Writes: what they make stale is dropped before their answer is given, so that whoever wrote reads
//! the new state (RFC 9111, section 4.4).

use http::Method;
use http::response::Parts;
use zephyr_cache::{Selection, Status, answer, invalidate, name};
use zephyr_edge_pipeline::Exchange;

use super::keep::{candidate, length, meta};
use super::place::Place;
use super::{Dropped, Marks, Served, Trip};
use crate::edge::Edge;
use crate::platform::Platform;

impl<P: Platform> Edge<P> {
    /// A request with an unsafe method.
    pub(super) async fn write(
        &self,
        route: usize,
        x: &mut Exchange,
        body: P::Body,
        reason: &'static str,
        detail: Option<&str>,
    ) -> Served<P> {
        let (uri, headers) = (x.request.uri.clone(), x.request.headers.clone());
        let asked = self.platform().now();
        let (mut parts, body) = self.trip(route, x, headers, body).await?;
        let arrived = self.platform().now();
        let mut names = Vec::new();
        let drop = |name: zephyr_cache::Name<'_>| names.push(Marks::mark_of(&name));
        let (scheme, authority, filters) = (x.scheme, &x.authority, &x.cache);
        let response = &parts.headers;
        name::of_write(
            scheme,
            authority,
            &uri,
            filters,
            parts.status,
            response,
            drop,
        );
        if !names.is_empty() {
            self.platform().purge(Dropped::Names(names)).await;
        }
        let mut status = Status {
            forward: Some(reason),
            forward_status: Some(parts.status.as_u16()),
            detail,
            ..Status::default()
        };
        let itself = x.request.method == Method::POST
            && invalidate::names_itself(&parts.headers, scheme, authority, &uri);
        let body = if itself {
            let trip = Trip {
                // After the purge: it is the new state.
                began: self.platform().marks().await.version(),
                asked,
                arrived,
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
        &self,
        x: &Exchange,
        status: &mut Status<'_>,
        parts: &mut Parts,
        body: P::Body,
        trip: Trip,
    ) -> P::Body {
        answer::set_date(&mut parts.headers, trip.arrived);
        let assessed = candidate(x, parts.status, &parts.headers, trip).assess_post();
        let selection = Selection::new(&parts.headers, &x.request.headers);
        let length = length::<P>(&parts.headers, &body);
        let fits = length.unwrap_or(0) <= self.site().max_object_bytes;
        let (Ok(freshness), Some(selection), true) = (assessed, selection, fits) else {
            return body;
        };
        status.stored = true;
        status.ttl = Some(freshness.ttl(trip.arrived));
        let meta = meta(x, parts, freshness, trip, length);
        self.keep(&Place::of(x), meta, &selection, trip, body).await
    }
}

//! HEAD that the store cannot answer: what the upstream tells brings the stored answer to GET up to
//! date (RFC 9111, section 4.3.5).

use std::rc::Rc;
use std::sync::Arc;

use http::StatusCode;
use zephyr_cache::{Status, revalidate};

use super::forward::{Errand, Trip, copy};
use super::{Cache, Fetch, Served, answer};
use crate::body::Body;
use crate::exchange::Exchange;

impl Cache {
    /// One trip for a HEAD, with what is stored for a GET, if anything is.
    pub(super) async fn head(
        self: &Arc<Self>,
        x: &mut Exchange,
        fetch: &Rc<dyn Fetch>,
        errand: Errand<'_>,
    ) -> Served {
        self.count_miss(errand.key.hash());
        let (began, asked) = (self.tags.begin(), self.now());
        let result = fetch.fetch(x, copy(x, Body::Empty)).await;
        let trip = Trip {
            began,
            asked,
            arrived: self.now(),
        };
        if let Some(answer) = self.in_place_of(x, &errand, &result, trip.arrived, fetch) {
            return Ok(answer);
        }
        let (mut parts, body) = result
            .map_err(|error| error.forwarded(errand.reason, None))?
            .into_parts();
        let stored = errand.validate.clone();
        if let Some(stored) = stored.filter(|_| parts.status == StatusCode::OK) {
            if revalidate::after_head(&stored.head, &parts.headers, trip.arrived).is_some() {
                return Ok(self.freshen(x, errand, &stored, &parts, trip, fetch));
            }
            // It is about another version: what is stored is history.
            self.drop_stored(errand.key, &x.request.headers);
        }
        let status = Status {
            forward: Some(errand.reason),
            forward_status: Some(parts.status.as_u16()),
            ..Status::default()
        };
        answer::strip(&mut parts.headers);
        answer::tell(&mut parts.headers, &status);
        Ok((parts, body))
    }
}

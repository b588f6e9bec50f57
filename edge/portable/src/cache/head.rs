//! HEAD that the store cannot answer: what the upstream tells brings the stored answer to GET up to
//! date (RFC 9111, section 4.3.5).

use std::rc::Rc;

use bytes::Bytes;
use http::StatusCode;
use zephyr_cache::{Status, answer, revalidate};
use zephyr_edge_pipeline::Exchange;

use super::forward::cut_off;
use super::{Errand, Marks, Served};
use crate::edge::Edge;
use crate::platform::Platform;

impl<P: Platform> Edge<P> {
    /// One trip for a HEAD, with what is stored for a GET, if anything is.
    pub(super) async fn head(
        &self,
        route: usize,
        x: &mut Exchange,
        mut errand: Errand<P::Body>,
        marks: &Rc<Marks>,
    ) -> Served<P> {
        let headers = x.request.headers.clone();
        let nothing = P::Body::from(Bytes::new());
        let (result, trip) = self.timed(route, x, headers, nothing, marks).await;
        if let Some(found) = Self::in_place_of(&mut errand, &result, trip.arrived) {
            return self
                .give_stale(x, found, errand.reason, &result, trip.arrived)
                .await;
        }
        let (mut parts, body) = result.map_err(|error| cut_off(error, &errand))?;
        if parts.status == StatusCode::OK
            && let Some(found) = errand.validate.take()
        {
            if revalidate::after_head(&found.meta.head, &parts.headers, trip.arrived).is_some() {
                return self.freshen(x, errand, found, &parts, trip).await;
            }
            // It is about another version: what is stored is history.
            self.platform().remove(&found.at).await;
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

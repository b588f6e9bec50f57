//! Writes: what they make stale is dropped before their answer is given, so that whoever wrote reads
//! the new state.

use std::rc::Rc;
use std::sync::Arc;

use zephyr_cache::name;

use super::{Cache, Fetch, Served};
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
        let (parts, body) = self.pass(x, body, fetch, reason, detail).await?;
        let (status, headers) = (parts.status, &parts.headers);
        name::of_write(
            scheme,
            &authority,
            &uri,
            &x.cache,
            status,
            headers,
            |name| {
                self.tags.purge(name);
            },
        );
        Ok((parts, body))
    }
}

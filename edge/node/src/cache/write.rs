//! Writes: what they make stale is dropped before their answer is given, so that whoever wrote reads
//! the new state.

use std::rc::Rc;
use std::sync::Arc;

use zephyr_cache::{groups, invalidate, key};

use super::purge::Target;
use super::tags::Name;
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
    ) -> Served {
        let (scheme, authority) = (x.scheme, Arc::clone(&x.authority));
        let uri = x.request.uri.clone();
        let bypass = x.cache.bypass.clone();
        let (reason, detail) = match &bypass {
            Some(reason) => ("bypass", Some(reason.as_str())),
            None => ("method", None),
        };
        let (parts, body) = self.pass(x, body, fetch, reason, detail).await?;
        if invalidate::has_changed(parts.status) {
            let effective = key::effective_query(uri.query(), &x.cache);
            for query in [uri.query(), effective] {
                self.tags.purge(Name::Url {
                    authority: &authority,
                    path: uri.path(),
                    query,
                });
            }
            for url in invalidate::also(&parts.headers, scheme, &authority, uri.path()) {
                self.tags.purge(Target::of(&url).name());
            }
        }
        for group in groups::invalidated(&parts.headers) {
            self.tags.purge(Name::Group {
                authority: &authority,
                group: &group,
            });
        }
        Ok((parts, body))
    }
}

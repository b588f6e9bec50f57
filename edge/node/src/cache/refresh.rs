//! Refreshing behind the client's back (RFC 5861, section 3), one at a time.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::flight::{Boarding, PASS_FAILURE};
use super::forward::Errand;
use super::key::Key;
use super::stored::Stored;
use super::{Cache, Fetch};
use crate::exchange::Exchange;

/// Gives the stored answer free for the next refresh, whatever comes of this one.
struct Refreshing(Arc<Stored>);

impl Drop for Refreshing {
    fn drop(&mut self) {
        self.0.refreshing.store(false, Ordering::Release);
    }
}

impl Cache {
    /// Refreshes a stored answer, unless somebody does already, or the last try has just failed.
    pub(super) fn refresh(
        self: &Arc<Self>,
        key: &Key,
        x: &Exchange,
        stored: &Arc<Stored>,
        fetch: &Rc<dyn Fetch>,
    ) {
        if stored.refreshing.swap(true, Ordering::AcqRel) {
            return;
        }
        let refreshing = Refreshing(Arc::clone(stored));
        let ranged = stored.part.is_some();
        let flight = self.flight_of(key.hash(), &stored.selection, &x.request.headers, ranged);
        let Boarding::Fly(pilot) = self.board(key.hash(), flight) else {
            return;
        };
        let (cache, key, fetch) = (Arc::clone(self), key.clone(), Rc::clone(fetch));
        let mut fork = x.fork();
        tokio::task::spawn_local(async move {
            let id = Arc::clone(&fork.id);
            let errand = Errand {
                key: &key,
                flight,
                reason: "stale",
                validate: Some(Arc::clone(&refreshing.0)),
                part: None,
                variants: Vec::new(),
                pilot: Some(pilot),
                for_nobody: true,
            };
            if let Err(error) = cache.forward(&mut fork, &fetch, errand).await {
                cache.pass_flight(key.hash(), flight, PASS_FAILURE);
                tracing::warn!(request.id = &*id, %error, "a stale answer could not be refreshed: {error}");
            }
            drop(refreshing);
        });
    }
}

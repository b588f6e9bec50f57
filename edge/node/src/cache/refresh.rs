//! Refreshing behind the client's back (RFC 5861, section 3), one at a time.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http_body_util::BodyExt as _;

use super::flight::Boarding;
use super::key::Key;
use super::stored::Stored;
use super::{Cache, Fetch};
use crate::body::Body;
use crate::exchange::Exchange;

/// Gives the stored answer free for the next refresh, whatever comes of this one.
struct Refreshing(Arc<Stored>);

impl Drop for Refreshing {
    fn drop(&mut self) {
        self.0.refreshing.store(false, Ordering::Release);
    }
}

impl Cache {
    /// Refreshes a stored answer, unless somebody does already.
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
        let Boarding::Fly(pilot) = self.board(key) else {
            return;
        };
        let (cache, key, fetch) = (Arc::clone(self), key.clone(), Rc::clone(fetch));
        let mut fork = fork(x);
        tokio::task::spawn_local(async move {
            let stored = Arc::clone(&refreshing.0);
            let id = Arc::clone(&fork.id);
            match cache
                .fetch(&key, &mut fork, &fetch, Some(stored), "stale", Some(pilot))
                .await
            {
                Ok((_, body)) => finish(body).await,
                Err(error) => {
                    tracing::warn!(request.id = &*id, %error, "a stale answer could not be refreshed: {error}");
                }
            }
            drop(refreshing);
        });
    }
}

/// The exchange for a request of the cache's own: a GET for the whole, for no client in particular.
fn fork(x: &Exchange) -> Exchange {
    let mut request = x.request.clone();
    request.method = http::Method::GET;
    Exchange {
        id: Arc::clone(&x.id),
        client: x.client,
        scheme: x.scheme,
        authority: Arc::clone(&x.authority),
        route: Arc::clone(&x.route),
        request,
        response: None,
        pending: Vec::new(),
        cache: x.cache.clone(),
    }
}

/// Reads a body that nobody waits for, so that it is stored.
pub(super) fn drain(body: Body) {
    tokio::task::spawn_local(finish(body));
}

async fn finish(mut body: Body) {
    while let Some(frame) = body.frame().await {
        if let Err(error) = frame {
            tracing::debug!(%error, "an answer to be stored broke off: {error}");
            return;
        }
    }
}

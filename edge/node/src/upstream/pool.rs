//! Open connections to one upstream, of one worker thread. Locks are here only so that what holds a
//! pool may travel between threads; nobody contends for them.

use std::sync::Arc;
use std::time::Instant;

use hyper::client::conn::{http1, http2};
use parking_lot::Mutex;

use super::{Upstream, connect};
use crate::body::Body;
use crate::error::ProxyError;

/// The pools of a worker thread: one an upstream, in the order of the node's upstreams.
#[derive(Debug)]
pub(crate) struct Pools(Vec<Arc<Pool>>);

impl Pools {
    /// A pool an upstream; those of `previous` for upstreams that it has too.
    pub(crate) fn new(upstreams: &[Arc<Upstream>], previous: Option<&Self>) -> Self {
        let kept = |upstream: &Arc<Upstream>| {
            let pools = previous.map_or(&[][..], |previous| &previous.0);
            let same = |pool: &&Arc<Pool>| Arc::ptr_eq(&pool.upstream, upstream);
            pools.iter().find(same).cloned()
        };
        let new = |upstream: &Arc<Upstream>| Arc::new(Pool::new(Arc::clone(upstream)));
        Self(
            upstreams
                .iter()
                .map(|upstream| kept(upstream).unwrap_or_else(|| new(upstream)))
                .collect(),
        )
    }

    pub(crate) fn of(&self, upstream: usize) -> &Arc<Pool> {
        &self.0[upstream]
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Pool>> {
        self.0.iter().find(|pool| &*pool.upstream.name == name)
    }

    /// Closes connections that have been unused for too long.
    pub(crate) fn sweep(&self) {
        for pool in &self.0 {
            pool.sweep();
        }
    }
}

/// Open connections to one upstream.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) upstream: Arc<Upstream>,
    idle: Mutex<Vec<Idle>>,
    /// Held while a connection is made, so that requests share it and do not each make one.
    http2: tokio::sync::Mutex<Option<http2::SendRequest<Body>>>,
}

#[derive(Debug)]
struct Idle {
    sender: http1::SendRequest<Body>,
    since: Instant,
}

/// Connections looked at to find one that is ready; one whose request is still being sent is not.
const LOOK_AT: usize = 4;

impl Pool {
    fn new(upstream: Arc<Upstream>) -> Self {
        Self {
            upstream,
            idle: Mutex::default(),
            http2: tokio::sync::Mutex::default(),
        }
    }

    /// The connection used last, if one is ready: it is the least likely to be stale.
    pub(super) fn checkout(&self) -> Option<http1::SendRequest<Body>> {
        let mut idle = self.idle.lock();
        let mut at = idle.len();
        let mut looked = 0;
        while at > 0 && looked < LOOK_AT {
            at -= 1;
            let candidate = &idle[at];
            if candidate.sender.is_closed()
                || candidate.since.elapsed() >= self.upstream.config.pool_idle_timeout
            {
                idle.remove(at);
            } else if candidate.sender.is_ready() {
                return Some(idle.remove(at).sender);
            } else {
                looked += 1;
            }
        }
        None
    }

    /// Keeps a connection for the next request.
    pub(super) fn put(&self, sender: http1::SendRequest<Body>) {
        if sender.is_closed() {
            return;
        }
        let mut idle = self.idle.lock();
        if idle.len() < self.upstream.config.pool_max_idle {
            idle.push(Idle {
                sender,
                since: Instant::now(),
            });
        }
    }

    /// The shared HTTP/2 connection; made when there is none.
    pub(super) async fn http2(&self) -> Result<http2::SendRequest<Body>, ProxyError> {
        let mut shared = self.http2.lock().await;
        if let Some(sender) = &*shared
            && !sender.is_closed()
        {
            return Ok(sender.clone());
        }
        let sender = connect::http2(&self.upstream).await?;
        *shared = Some(sender.clone());
        Ok(sender)
    }

    fn sweep(&self) {
        let limit = self.upstream.config.pool_idle_timeout;
        self.idle
            .lock()
            .retain(|idle| !idle.sender.is_closed() && idle.since.elapsed() < limit);
    }
}

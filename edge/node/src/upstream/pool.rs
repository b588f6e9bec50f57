//! Open connections of one worker thread. Locks are here only so that what holds a pool may travel
//! between threads; nobody contends for them.

use std::sync::Arc;

use parking_lot::Mutex;

use super::line::Line;
use super::{Endpoint, Upstream};

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

/// Open connections to the servers of one upstream.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) upstream: Arc<Upstream>,
    lines: Mutex<Vec<Arc<Line>>>,
}

impl Pool {
    fn new(upstream: Arc<Upstream>) -> Self {
        Self {
            upstream,
            lines: Mutex::default(),
        }
    }

    /// The connections to a server.
    pub(super) fn line(&self, endpoint: &Arc<Endpoint>) -> Arc<Line> {
        let mut lines = self.lines.lock();
        if let Some(line) = lines.iter().find(|line| line.endpoint.id == endpoint.id) {
            return Arc::clone(line);
        }
        let line = Arc::new(Line::new(&self.upstream, endpoint));
        lines.push(Arc::clone(&line));
        line
    }

    /// Closes what is unused for too long, and what leads to servers that are gone.
    fn sweep(&self) {
        let cluster = self.upstream.cluster.load();
        let is_there = |line: &Line| {
            cluster
                .endpoints
                .iter()
                .any(|endpoint| endpoint.id == line.endpoint.id)
        };
        self.lines.lock().retain(|line| {
            line.sweep();
            is_there(line)
        });
    }
}

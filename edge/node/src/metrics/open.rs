//! Connections open, by protocol, and those that rest.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::Shard;

/// What a client's connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
    Http3,
}

impl Protocol {
    pub(super) const ALL: [(Self, &str); 3] = [
        (Self::Http1, "http/1.1"),
        (Self::Http2, "h2"),
        (Self::Http3, "h3"),
    ];
}

/// One open connection, until dropped.
#[derive(Debug)]
pub(crate) struct Open {
    shard: Arc<Shard>,
    protocol: Protocol,
}

impl Open {
    pub(crate) fn new(shard: &Arc<Shard>, protocol: Protocol) -> Self {
        shard.open[protocol as usize].fetch_add(1, Relaxed);
        Self {
            shard: Arc::clone(shard),
            protocol,
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shard.open[self.protocol as usize].fetch_sub(1, Relaxed);
    }
}

/// One connection that rests, until dropped.
#[derive(Debug)]
pub(crate) struct Resting(Arc<Shard>);

impl Resting {
    pub(crate) fn new(shard: &Arc<Shard>) -> Self {
        shard.resting.fetch_add(1, Relaxed);
        Self(Arc::clone(shard))
    }
}

impl Drop for Resting {
    fn drop(&mut self) {
        self.0.resting.fetch_sub(1, Relaxed);
    }
}

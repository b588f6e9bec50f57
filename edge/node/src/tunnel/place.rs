//! The bound on tunnels that are open at once.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::shared::Shared;

/// A place among the open tunnels, until dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Shared>);

impl Place {
    /// Takes one of `most` places; none when all are taken.
    pub(crate) fn take(node: &Arc<Shared>, most: u32) -> Option<Self> {
        let before = node.tunnels.fetch_add(1, Relaxed);
        let place = Self(Arc::clone(node));
        (before < most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.tunnels.fetch_sub(1, Relaxed);
    }
}

//! From slice to slice: what is stored is given, what another request fetches right now is followed, and
//! what lacks is fetched.
//!
//! A task of its own, because a body cannot go to the upstream. It is at most one piece ahead of its
//! client and ends when that has left.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use tokio::sync::mpsc;
use zephyr_edge_core::cache_policy::CacheDirectives;

use super::Sliced;
use super::body::{Composed, Failed, Next, Piece, Source};
use crate::body::Body;
use crate::cache::Fetch;
use crate::cache::flight::{Boarding, Landing};
use crate::cache::stored::Stored;
use crate::exchange::Exchange;

/// A request that has waited so often for the same slice fetches it on its own.
const MAX_WAITS: u32 = 8;

/// A place in the client's body for the next piece.
pub(super) type Permit = mpsc::OwnedPermit<Next>;

pub(super) struct Walk {
    pub(super) sliced: Sliced,
    pub(super) x: Exchange,
    /// What filters had said before the first trip.
    pub(super) filters: CacheDirectives,
    pub(super) fetch: Rc<dyn Fetch>,
    /// The first and the last byte of the whole that the client gets.
    pub(super) wanted: (u64, u64),
    pub(super) to: mpsc::Sender<Next>,
}

impl Walk {
    /// Begins to put these bytes together.
    pub(super) fn start(
        sliced: Sliced,
        x: &Exchange,
        fetch: &Rc<dyn Fetch>,
        wanted: (u64, u64),
    ) -> Composed {
        let (to, pieces) = mpsc::channel(1);
        let x = x.fork();
        let walk = Self {
            sliced,
            filters: x.cache.clone(),
            x,
            fetch: Rc::clone(fetch),
            wanted,
            to,
        };
        tokio::task::spawn_local(walk.run_to_the_end());
        Composed::new(pieces, wanted.1 - wanted.0 + 1)
    }

    async fn run_to_the_end(mut self) {
        let needed = self.sliced.slices.needed(self.wanted.0, self.wanted.1);
        let (mut number, last) = needed.into_inner();
        while number <= last {
            let Some(permit) = self.permit().await else {
                return;
            };
            match self.step(number, permit).await {
                Ok(next) => number = next,
                Err(Failed::Left) => return,
                Err(failed) => {
                    if let Failed::OtherVersion(_) = failed {
                        self.sliced.drop_head();
                    }
                    tracing::debug!(request.id = &*self.x.id, error = %failed, "{failed}");
                    // The client may have left meanwhile.
                    let _ = self.to.send(Err(failed)).await;
                    return;
                }
            }
        }
    }

    /// Waits until the client takes a piece; none when it has left.
    pub(super) async fn permit(&self) -> Option<Permit> {
        self.to.clone().reserve_owned().await.ok()
    }

    /// Sees to one slice, or to a run of lacking ones that begins with it; tells which is next.
    async fn step(&mut self, number: u64, permit: Permit) -> Result<u64, Failed> {
        let (cache, key) = (Arc::clone(&self.sliced.cache), self.sliced.key_of(number));
        let (low, high) = self.within(number);
        let give_up = Instant::now() + cache.config.collapse_timeout;
        let (mut waits, mut alone) = (0, false);
        loop {
            if let Some(bytes) = self.sliced.find(number, low, high).await {
                cache.slice_hits.fetch_add(1, Relaxed);
                let length = bytes.len() as u64;
                let source = if waits == 0 {
                    Source::Store
                } else {
                    Source::Other
                };
                give(permit, Body::full(bytes), length, source);
                return Ok(number + 1);
            }
            let boarding = if alone {
                Boarding::Alone
            } else {
                cache.board(key.hash(), key.hash())
            };
            let pilot = match boarding {
                Boarding::Fly(pilot) => {
                    // Between the look and the boarding another may have landed.
                    if self.sliced.in_memory(&key, low, high).is_some() {
                        continue;
                    }
                    Some(pilot)
                }
                Boarding::Alone => None,
                Boarding::Wait(mut landing) => {
                    let left = give_up.saturating_duration_since(Instant::now());
                    let landed = landing.wait_for(|landing| !matches!(landing, Landing::Flying));
                    waits += 1;
                    let how = tokio::time::timeout(left, landed).await;
                    match how.map(|landed| landed.map(|landing| landing.clone())) {
                        Ok(Ok(Landing::Follow(stored))) if self.may_follow(&stored) => {
                            let body = stored.body.part(low, high);
                            give(permit, body, high - low + 1, Source::Other);
                            // Who fetches this one goes on with the next, not who follows.
                            tokio::select! {
                                _ = landing.wait_for(has_landed) => {}
                                () = self.to.closed() => return Err(Failed::Left),
                            }
                            return Ok(number + 1);
                        }
                        // It has ended, and perhaps left nothing to tell how.
                        Ok(Ok(Landing::Landed) | Err(_)) => {}
                        Ok(Ok(_)) | Err(_) => alone = true,
                    }
                    alone |= waits >= MAX_WAITS;
                    continue;
                }
            };
            return self.run(number, pilot, permit).await;
        }
    }

    fn may_follow(&self, stored: &Stored) -> bool {
        stored.body.is_there() && self.sliced.cache.tags.alive(&stored.names)
    }

    /// The client's bytes of a slice, counted from its beginning.
    pub(super) fn within(&self, number: u64) -> (u64, u64) {
        let (first, last) = self.wanted;
        self.sliced.slices.within(number, first, last)
    }
}

fn has_landed(landing: &Landing) -> bool {
    matches!(landing, Landing::Landed | Landing::Alone)
}

fn give(permit: Permit, body: Body, length: u64, source: Source) {
    permit.send(Ok(Piece {
        body,
        length,
        source,
        _weight: None,
    }));
}

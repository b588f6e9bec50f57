//! Collapsing: of many requests that miss the same key, one flies and the others wait for it.

use std::sync::Arc;

use tokio::sync::watch;

use super::Cache;
use super::key::Key;

/// A fetch that others wait for.
#[derive(Debug)]
pub(super) struct Flight {
    landed: watch::Sender<bool>,
}

/// The one that flies. When it is dropped, however that comes, the others look again: they find the
/// answer, or one of them flies next.
#[derive(Debug)]
pub(super) struct Pilot {
    cache: Arc<Cache>,
    key: Key,
    flight: Arc<Flight>,
}

/// What a request that missed has to do.
#[derive(Debug)]
pub(super) enum Boarding {
    /// Fetch; the others wait.
    Fly(Pilot),
    /// Wait for this, then look again.
    Wait(watch::Receiver<bool>),
    /// Fetch on its own: answers to this key cannot be shared.
    Alone,
}

impl Cache {
    pub(super) fn board(self: &Arc<Self>, key: &Key) -> Boarding {
        let mut shard = self.shard(key).lock();
        if shard.passes(key) {
            return Boarding::Alone;
        }
        if let Some(flight) = shard.flights.get(key) {
            return Boarding::Wait(flight.landed.subscribe());
        }
        let flight = Arc::new(Flight {
            landed: watch::Sender::new(false),
        });
        shard.flights.insert(key.clone(), Arc::clone(&flight));
        Boarding::Fly(Pilot {
            cache: Arc::clone(self),
            key: key.clone(),
            flight,
        })
    }
}

impl Drop for Pilot {
    fn drop(&mut self) {
        self.cache.shard(&self.key).lock().flights.remove(&self.key);
        self.flight.landed.send_replace(true);
    }
}

//! Collapsing: of many requests that miss the same, one flies and the others wait for it.
//!
//! Who waits for whom is told by a number: the key's hash, and for a key with known `Vary` fields
//! what the request has in them, so that requests for different variants do not wait for each other.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Cache;
use super::key::BuildHashed;
use super::stored::Stored;

/// For how long nobody waits for an answer whose like could not be shared the last time.
pub(super) const PASS: Duration = Duration::from_secs(10);
/// The same, when it was a failure.
pub(super) const PASS_FAILURE: Duration = Duration::from_secs(1);
/// How many of those are remembered in a slot; when there are more, some are asked about again.
const MAX_PASSES: usize = 1024;

/// The fetches on their way in one slot.
#[derive(Debug, Default)]
pub(super) struct Flights {
    flying: HashMap<u64, watch::Sender<Landing>, BuildHashed>,
    /// Flights that are not worth waiting for, and until when.
    passes: HashMap<u64, Duration, BuildHashed>,
}

/// How a flight has ended, for those who wait.
#[derive(Clone, Debug)]
pub(super) enum Landing {
    /// It has not.
    Flying,
    /// It has not, but its answer can be followed by those whom it is for.
    Follow(Arc<Stored>),
    /// Look again: there is an answer, or it failed and one of those who wait flies next.
    Landed,
    /// The answer cannot be shared: all fetch on their own, at once.
    Alone,
}

/// The one that flies. When it is dropped, however that comes, the others look again.
#[derive(Debug)]
pub(super) struct Pilot {
    cache: Arc<Cache>,
    hash: u64,
    flight: u64,
    landing: Landing,
}

/// What a request that missed has to do.
#[derive(Debug)]
pub(super) enum Boarding {
    /// Fetch; the others wait.
    Fly(Pilot),
    /// Wait for this, then look again.
    Wait(watch::Receiver<Landing>),
    /// Fetch on its own: the last answer could not be shared.
    Alone,
}

impl Cache {
    /// Boards a flight for a key of this hash.
    pub(super) fn board(self: &Arc<Self>, hash: u64, flight: u64) -> Boarding {
        let mut flights = self.slot(hash).flights.lock();
        if let Some(until) = flights.passes.get(&flight) {
            let left = until.saturating_sub(self.now());
            // A clock set back must not make it longer.
            if !left.is_zero() && left <= PASS {
                return Boarding::Alone;
            }
            flights.passes.remove(&flight);
        }
        if let Some(flying) = flights.flying.get(&flight) {
            return Boarding::Wait(flying.subscribe());
        }
        flights
            .flying
            .insert(flight, watch::Sender::new(Landing::Flying));
        Boarding::Fly(Pilot {
            cache: Arc::clone(self),
            hash,
            flight,
            landing: Landing::Landed,
        })
    }

    /// Notes that nobody should wait for this flight for a while.
    pub(super) fn pass_flight(&self, hash: u64, flight: u64, how_long: Duration) {
        let now = self.now();
        let mut flights = self.slot(hash).flights.lock();
        if flights.passes.len() >= MAX_PASSES {
            flights.passes.retain(|_, until| *until > now);
            if flights.passes.len() >= MAX_PASSES {
                flights.passes.clear();
            }
        }
        flights.passes.insert(flight, now + how_long);
    }

    /// Notes that waiting is worth it again.
    pub(super) fn unpass_flight(&self, hash: u64, flight: u64) {
        self.slot(hash).flights.lock().passes.remove(&flight);
    }
}

impl Pilot {
    /// Lets those who wait follow the answer.
    pub(super) fn share(&self, stored: Arc<Stored>) {
        let slot = self.cache.slot(self.hash);
        let flights = slot.flights.lock();
        if let Some(flying) = flights.flying.get(&self.flight) {
            flying.send_replace(Landing::Follow(stored));
        }
    }

    /// Lands with an answer that cannot be shared.
    pub(super) fn land_alone(mut self) {
        self.landing = Landing::Alone;
    }
}

impl Drop for Pilot {
    fn drop(&mut self) {
        let slot = self.cache.slot(self.hash);
        let flying = slot.flights.lock().flying.remove(&self.flight);
        if let Some(flying) = flying {
            flying.send_replace(self.landing.clone());
        }
    }
}

#[cfg(test)]
impl Flights {
    pub(super) fn is_idle(&self) -> bool {
        self.flying.is_empty()
    }
}

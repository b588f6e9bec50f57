//! Rate limits in the key-value store. Times of keys lie in a fixed number of buckets, each one value
//! that is changed by compare-and-swap, so that the store does not grow with the number of clients:
//! the store knows no lifetimes.
//!
//! Several limits of one request are counted one after the other, and given back when a later one
//! refuses. Between the two another request may see them counted: a request may then be refused that
//! would have been allowed, never the other way round.

use std::collections::BTreeMap;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use zephyr_edge_core::capability::{Decision, Limit, LimiterError};
use zephyr_edge_core::gcra::{self, Outcome, Rate};

use crate::atomic;

/// Buckets of keys. Keys of one bucket wait for each other.
const BUCKETS: u32 = 1024;
/// Keys in one bucket; above it the ones that come back first are forgotten.
const MAX_KEYS: usize = 1024;

/// Times by the hash of their key.
type Bucket = BTreeMap<String, u64>;

/// Measures one request against limits.
///
/// # Errors
///
/// See [`LimiterError`]; nothing was counted.
pub fn check(now: Duration, limits: &[Limit]) -> Result<Vec<Decision>, LimiterError> {
    let rates = gcra::rates(limits)?;
    let now = gcra::nanos(now);
    let mut decisions = Vec::with_capacity(limits.len());
    for (limit, rate) in limits.iter().zip(&rates) {
        let counted = change(limit, now, |tat| rate.measure(tat, now))?;
        decisions.push(counted.decision);
        if !counted.decision.allowed {
            break;
        }
    }
    if decisions.iter().all(|decision| decision.allowed) {
        return Ok(decisions);
    }
    // The last one asked refuses: those before it were counted, those behind it were not asked.
    let refused = decisions.len() - 1;
    for (at, (limit, rate)) in limits.iter().zip(&rates).enumerate() {
        if at == refused {
            continue;
        }
        let decision = uncounted(limit, rate, now, at < refused)?;
        match decisions.get_mut(at) {
            Some(known) => *known = decision,
            None => decisions.push(decision),
        }
    }
    Ok(decisions)
}

/// What is left under a limit without this request, which is given back when it was counted.
fn uncounted(
    limit: &Limit,
    rate: &Rate,
    now: u64,
    was_counted: bool,
) -> Result<Decision, LimiterError> {
    let outcome = change(limit, now, |tat| {
        let given = tat.filter(|_| was_counted).map(|tat| rate.give_back(tat));
        Outcome {
            decision: rate.look(given.or(tat), now),
            tat: given,
        }
    })?;
    Ok(outcome.decision)
}

fn change(
    limit: &Limit,
    now: u64,
    mut measure: impl FnMut(Option<u64>) -> Outcome,
) -> Result<Outcome, LimiterError> {
    let hash = Sha256::digest(limit.key.as_bytes());
    let number = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]) % BUCKETS;
    let key: String = hash[4..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let outcome = atomic::update(&format!("limits/{number}"), |value| {
        let mut bucket: Bucket = value
            .and_then(|json| serde_json::from_slice(json).ok())
            .unwrap_or_default();
        let outcome = measure(bucket.get(&key).copied());
        let Some(tat) = outcome.tat else {
            return (None, outcome);
        };
        bucket.retain(|_, tat| *tat > now);
        while bucket.len() >= MAX_KEYS {
            let first = bucket.iter().min_by_key(|(_, tat)| **tat);
            let Some(first) = first.map(|(key, _)| key.clone()) else {
                break;
            };
            bucket.remove(&first);
        }
        bucket.insert(key.clone(), tat);
        (serde_json::to_vec(&bucket).ok(), outcome)
    });
    outcome.map_err(LimiterError::Unavailable)
}

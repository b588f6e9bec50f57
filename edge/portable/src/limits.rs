//! Counters of rate limits in one place that sees all requests of a site, one at a time: a Durable
//! Object, or a test.

use std::collections::HashMap;
use std::time::Duration;

use zephyr_edge_core::capability::{Decision, Limit, LimiterError};
use zephyr_edge_core::gcra;

/// Keys remembered. When there are more, those that are as good as new are forgotten first.
const MAX_KEYS: usize = 100_000;

/// Theoretical arrival times by key, in nanoseconds since the Unix epoch.
#[derive(Clone, Debug, Default)]
pub struct Counters(HashMap<String, u64>);

/// A key's new time, for whoever keeps them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: String,
    /// Its theoretical arrival time.
    pub tat: u64,
    /// For how long it must not be forgotten.
    pub reset_after: Duration,
}

impl Counters {
    /// Counters as they were kept.
    #[must_use]
    pub fn new(kept: impl IntoIterator<Item = (String, u64)>) -> Self {
        Self(kept.into_iter().collect())
    }

    /// Measures one request against limits, and tells what has changed.
    ///
    /// # Errors
    ///
    /// A limit breaks the bounds, or there are too many keys; nothing was counted.
    pub fn check(
        &mut self,
        now: Duration,
        limits: &[Limit],
    ) -> Result<(Vec<Decision>, Vec<Change>), LimiterError> {
        let rates = gcra::rates(limits)?;
        let now = gcra::nanos(now);
        if self.0.len() + limits.len() > MAX_KEYS {
            self.forget(now);
            if self.0.len() + limits.len() > MAX_KEYS {
                return Err(LimiterError::Unavailable("too many keys".to_owned()));
            }
        }
        let tats: Vec<Option<u64>> = limits.iter().map(|l| self.0.get(&l.key).copied()).collect();
        let outcomes = gcra::check_all(&tats, now, &rates);
        let mut changes = Vec::new();
        for (limit, outcome) in limits.iter().zip(&outcomes) {
            if let Some(tat) = outcome.tat {
                self.0.insert(limit.key.clone(), tat);
                changes.push(Change {
                    key: limit.key.clone(),
                    tat,
                    reset_after: outcome.decision.reset_after,
                });
            }
        }
        let decisions = outcomes.into_iter().map(|outcome| outcome.decision);
        Ok((decisions.collect(), changes))
    }

    /// Forgets keys that are as good as new, and tells which.
    pub fn expire(&mut self, now: Duration) -> Vec<String> {
        self.forget(gcra::nanos(now))
    }

    fn forget(&mut self, now: u64) -> Vec<String> {
        let old: Vec<String> = self
            .0
            .iter()
            .filter(|(_, tat)| **tat <= now)
            .map(|(key, _)| key.clone())
            .collect();
        for key in &old {
            self.0.remove(key);
        }
        old
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_as_good_as_new_is_forgotten() {
        let mut counters = Counters::default();
        let limit = Limit {
            key: "k".to_owned(),
            count: 1,
            period: Duration::from_secs(1),
            burst: 2,
            cost: 1,
        };
        let limits = std::slice::from_ref(&limit);
        let at = Duration::from_secs(1_000);
        let (decisions, changes) = counters.check(at, limits).unwrap();
        assert!(decisions[0].allowed && decisions[0].remaining == 1);
        assert_eq!(changes[0].reset_after, Duration::from_secs(1));
        counters.check(at, limits).unwrap();
        let (decisions, changes) = counters.check(at, limits).unwrap();
        assert!(!decisions[0].allowed && changes.is_empty());
        assert!(counters.expire(at).is_empty());
        assert_eq!(counters.expire(at + Duration::from_secs(2)), ["k"]);
        assert!(counters.is_empty());
    }
}

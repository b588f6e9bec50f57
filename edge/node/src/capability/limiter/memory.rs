//! Rate limits counted in this process.
//!
//! Keys lie in shards with a lock each. A call locks the shards of all its keys, always in the same
//! order, so that it counts against all or none and no two calls wait for each other in a circle.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::time::Instant;

use parking_lot::{Mutex, MutexGuard};
use zephyr_edge_core::capability::{Decision, Limit, LimiterError};
use zephyr_edge_core::gcra;

use super::RateLimiter;
use crate::capability::Answer;

const SHARDS: usize = 64;

/// Counts in this process, up to a bound of keys.
///
/// A key whose burst is whole again is as good as none, so those go first when the bound is reached.
/// Only when there are none, those go that are nearest to it: who has used up the most is forgotten
/// last.
#[derive(Debug)]
pub struct MemoryLimiter {
    start: Instant,
    hasher: RandomState,
    shards: Box<[Mutex<Shard>]>,
    max_keys_per_shard: usize,
}

/// Theoretical arrival times by key.
type Shard = HashMap<Box<str>, u64>;

impl MemoryLimiter {
    /// A limiter that remembers about `max_keys` keys, at least one a shard.
    #[must_use]
    pub fn new(max_keys: usize) -> Self {
        Self {
            start: Instant::now(),
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            max_keys_per_shard: max_keys.div_ceil(SHARDS).max(1),
        }
    }

    /// Keys remembered now.
    pub fn keys(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    /// Checks limits at a moment: nanoseconds since the limiter was made.
    fn check_at(&self, now: u64, limits: &[Limit]) -> Result<Vec<Decision>, LimiterError> {
        let rates = gcra::rates(limits)?;
        let of_limit: Vec<usize> = limits
            .iter()
            .map(|limit| self.shard_of(&limit.key))
            .collect();
        let mut locked: Vec<(usize, MutexGuard<'_, Shard>)> = {
            let mut order = of_limit.clone();
            order.sort_unstable();
            order.dedup();
            order
                .into_iter()
                .map(|index| (index, self.shards[index].lock()))
                .collect()
        };
        let position = |locked: &[(usize, MutexGuard<'_, Shard>)], shard: usize| {
            locked
                .binary_search_by_key(&shard, |(index, _)| *index)
                .ok()
        };

        let mut tats = Vec::with_capacity(limits.len());
        for (limit, shard) in limits.iter().zip(&of_limit) {
            let shard = position(&locked, *shard).map(|at| &locked[at].1);
            tats.push(shard.and_then(|shard| shard.get(&*limit.key).copied()));
        }
        let outcomes = gcra::check_all(&tats, now, &rates);
        for ((limit, shard), outcome) in limits.iter().zip(&of_limit).zip(&outcomes) {
            if let Some(tat) = outcome.tat
                && let Some(at) = position(&locked, *shard)
            {
                self.store(&mut locked[at].1, &limit.key, tat, now);
            }
        }
        Ok(outcomes
            .into_iter()
            .map(|outcome| outcome.decision)
            .collect())
    }

    #[expect(clippy::cast_possible_truncation, reason = "any bits of a hash do")]
    fn shard_of(&self, key: &str) -> usize {
        self.hasher.hash_one(key) as usize % SHARDS
    }

    fn store(&self, shard: &mut Shard, key: &str, tat: u64, now: u64) {
        if let Some(known) = shard.get_mut(key) {
            *known = tat;
            return;
        }
        if shard.len() >= self.max_keys_per_shard {
            make_room(shard, self.max_keys_per_shard, now);
        }
        shard.insert(key.into(), tat);
    }
}

/// Removes the keys that are whole again; when that is not an eighth, also those that will be next,
/// so that the work is shared by many insertions.
fn make_room(shard: &mut Shard, max_keys: usize, now: u64) {
    shard.retain(|_, tat| *tat > now);
    let keep = max_keys - (max_keys / 8).max(1).min(max_keys);
    if shard.len() > keep {
        let mut tats: Vec<u64> = shard.values().copied().collect();
        let surplus = shard.len() - keep;
        let (_, bound, _) = tats.select_nth_unstable(surplus - 1);
        let (bound, mut left) = (*bound, surplus);
        shard.retain(|_, tat| {
            let goes = *tat <= bound && left > 0;
            left -= usize::from(goes);
            !goes
        });
    }
}

impl RateLimiter for MemoryLimiter {
    fn check<'a>(&'a self, limits: &'a [Limit]) -> Answer<'a, Result<Vec<Decision>, LimiterError>> {
        Answer::Ready(self.check_at(gcra::nanos(self.start.elapsed()), limits))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    use std::time::Duration;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn limit(key: &str, burst: u32) -> Limit {
        Limit {
            key: key.to_owned(),
            count: 1,
            period: Duration::from_secs(1),
            burst,
            cost: 1,
        }
    }

    fn allowed(decisions: &[Decision]) -> Vec<bool> {
        decisions.iter().map(|decision| decision.allowed).collect()
    }

    #[test]
    fn a_key_is_counted_and_comes_back() {
        let limiter = MemoryLimiter::new(1000);
        let check = |now| allowed(&limiter.check_at(now, &[limit("a", 2)]).unwrap())[0];
        assert_eq!([check(0), check(0), check(0)], [true, true, false]);
        assert_eq!([check(SECOND), check(SECOND)], [true, false]);
        assert!(allowed(&limiter.check_at(0, &[limit("b", 2)]).unwrap())[0]);
    }

    #[test]
    fn all_are_counted_or_none() {
        let limiter = MemoryLimiter::new(1000);
        let both = [limit("wide", 10), limit("narrow", 1)];
        assert_eq!(allowed(&limiter.check_at(0, &both).unwrap()), [true, true]);
        let refused = limiter.check_at(0, &both).unwrap();
        assert_eq!(allowed(&refused), [true, false]);
        assert_eq!(
            refused[0].remaining, 9,
            "the refused request was not counted against `wide`"
        );
        let look = Limit {
            cost: 0,
            ..limit("wide", 10)
        };
        assert_eq!(limiter.check_at(0, &[look]).unwrap()[0].remaining, 9);
    }

    #[test]
    fn invalid_limits_are_refused() {
        let limiter = MemoryLimiter::new(1000);
        assert!(limiter.check_at(0, &[]).is_err());
        assert!(limiter.check_at(0, &[limit("", 1)]).is_err());
        assert!(
            limiter
                .check_at(0, &[limit("a", 1), limit("a", 1)])
                .is_err()
        );
    }

    #[test]
    fn whole_keys_are_forgotten_first_and_the_most_used_last() {
        let mut shard = Shard::new();
        for index in 0..8_u64 {
            shard.insert(format!("whole {index}").into(), SECOND - index);
        }
        for index in 1..=8_u64 {
            shard.insert(format!("used {index}").into(), SECOND + index);
        }
        make_room(&mut shard, 16, SECOND);
        assert_eq!(shard.len(), 8);
        assert!(shard.keys().all(|key| key.starts_with("used")));

        make_room(&mut shard, 8, SECOND);
        assert_eq!(shard.len(), 7);
        assert!(!shard.contains_key("used 1"));
        assert!(shard.contains_key("used 8"));
    }

    #[test]
    fn equal_times_do_not_empty_a_shard() {
        let mut shard: Shard = (0..64)
            .map(|index| (index.to_string().into(), SECOND))
            .collect();
        make_room(&mut shard, 64, 0);
        assert_eq!(shard.len(), 56);
    }

    #[test]
    fn the_number_of_keys_is_bounded() {
        let limiter = MemoryLimiter::new(640);
        for index in 0..10_000 {
            limiter
                .check_at(0, &[limit(&index.to_string(), 2)])
                .unwrap();
        }
        assert!(limiter.keys() <= 640, "{}", limiter.keys());
        assert!(limiter.keys() > 320, "{}", limiter.keys());
    }

    #[test]
    fn threads_count_exactly_and_never_wait_in_a_circle() {
        let limiter = MemoryLimiter::new(1000);
        let (forward, backward) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (limiter, forward, backward) = (&limiter, &forward, &backward);
                scope.spawn(move || {
                    for _ in 0..500 {
                        let mut limits: Vec<Limit> = ["a", "b", "c", "d"]
                            .iter()
                            .map(|key| limit(key, 1000))
                            .collect();
                        let counter = if thread % 2 == 0 {
                            forward
                        } else {
                            limits.reverse();
                            backward
                        };
                        let decisions = limiter.check_at(0, &limits).unwrap();
                        if decisions.iter().all(|decision| decision.allowed) {
                            counter.fetch_add(1, Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(forward.load(Relaxed) + backward.load(Relaxed), 1000);
    }
}

//! The generic cell rate algorithm (ITU-T I.371, annex A) as arithmetic on nanoseconds: no clock, no
//! store. A key is one number, its *theoretical arrival time* (TAT): the moment at which its bucket
//! is full again. Every host and every back end of the limiter computes with this.
//!
//! With `T = period / count`, a request of cost `c` moves the TAT from `max(TAT, now)` on by
//! `c * T`. It is allowed when the new TAT lies no further ahead of now than `burst * T`.

use std::time::Duration;

use crate::capability::{Decision, Limit, LimiterError};

/// Limits that one call may name.
pub const MAX_LIMITS: usize = 16;
/// Bytes of a key.
pub const MAX_KEY_BYTES: usize = 512;
/// The smallest period.
pub const MIN_PERIOD: Duration = Duration::from_millis(1);
/// The longest period, and the longest time that a full burst may take to come back.
pub const MAX_HORIZON: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// The shortest time between two requests at a steady rate, in nanoseconds: a million a second.
const MIN_INTERVAL: u64 = 1_000;

/// What comes of measuring a request against one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What to tell the caller.
    pub decision: Decision,
    /// The key's TAT from now on, in the nanoseconds that `now` counts; none when nothing is to be
    /// written. It may be forgotten [`Decision::reset_after`] from now.
    pub tat: Option<u64>,
}

/// A limit in the numbers that the algorithm works with. It can be computed once and kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Nanoseconds between two requests at a steady rate.
    interval: u64,
    /// Nanoseconds that the TAT may lie ahead of now: `burst * interval`.
    horizon: u64,
    /// Nanoseconds that this request adds.
    increment: u64,
}

impl Rate {
    /// The numbers of a limit, checked.
    ///
    /// # Errors
    ///
    /// [`LimiterError::Invalid`] names the bound that the limit breaks.
    pub fn new(limit: &Limit) -> Result<Self, LimiterError> {
        let invalid = |why: &str| Err(LimiterError::Invalid(why.to_owned()));
        if limit.key.is_empty() || limit.key.len() > MAX_KEY_BYTES {
            return invalid("key must be 1 to 512 bytes long");
        }
        if limit.count == 0 {
            return invalid("count must be at least 1");
        }
        if limit.burst == 0 {
            return invalid("burst must be at least 1");
        }
        if limit.period < MIN_PERIOD || limit.period > MAX_HORIZON {
            return invalid("period must be 1 ms to 366 days");
        }
        if limit.cost > limit.burst {
            return invalid("cost must not be above burst: it could never be allowed");
        }
        let period = nanos(limit.period);
        if u64::from(limit.count) * MIN_INTERVAL > period {
            return invalid("count in period must not be above a million a second");
        }
        // Rounded up, so that a limit never allows more than it says.
        let interval = period.div_ceil(u64::from(limit.count));
        let horizon = u128::from(interval) * u128::from(limit.burst);
        match u64::try_from(horizon) {
            Ok(horizon) if horizon <= nanos(MAX_HORIZON) => Ok(Self {
                interval,
                horizon,
                increment: interval * u64::from(limit.cost),
            }),
            _ => invalid("burst must come back within 366 days: burst * period / count is more"),
        }
    }

    /// Measures one request. `now` counts nanoseconds from any fixed moment, the same for every
    /// call on a key.
    ///
    /// A TAT further ahead than the limit can bring about (a clock that was set back, a limit that
    /// was changed) counts as "burst used up", so no key is ever locked out for longer than that.
    #[must_use]
    pub fn measure(&self, tat: Option<u64>, now: u64) -> Outcome {
        let before = self.effective(tat, now);
        let after = before.saturating_add(self.increment);
        let limit = now.saturating_add(self.horizon);
        if after <= limit {
            let tat = (self.increment > 0).then_some(after);
            Outcome {
                decision: self.decision(after, now, 0),
                tat,
            }
        } else {
            Outcome {
                decision: self.decision(before, now, after - limit),
                tat: None,
            }
        }
    }

    /// What is left at `now`, with nothing counted. Allowed, because asking is.
    #[must_use]
    pub fn look(&self, tat: Option<u64>, now: u64) -> Decision {
        self.decision(self.effective(tat, now), now, 0)
    }

    /// A TAT without this request, for a store that counts keys one after the other and finds that a
    /// later one refuses.
    #[must_use]
    pub fn give_back(&self, tat: u64) -> u64 {
        tat.saturating_sub(self.increment)
    }

    fn effective(&self, tat: Option<u64>, now: u64) -> u64 {
        tat.unwrap_or(now)
            .clamp(now, now.saturating_add(self.horizon))
    }

    /// `tat` lies between `now` and `now + horizon`.
    fn decision(&self, tat: u64, now: u64, retry_after: u64) -> Decision {
        let ahead = tat - now;
        let remaining = (self.horizon - ahead.min(self.horizon)) / self.interval;
        Decision {
            allowed: retry_after == 0,
            remaining: u32::try_from(remaining).unwrap_or(u32::MAX),
            reset_after: Duration::from_nanos(ahead),
            retry_after: Duration::from_nanos(retry_after),
        }
    }
}

/// Checks the limits of one call, and turns them into [`Rate`]s in their order.
///
/// # Errors
///
/// [`LimiterError::Invalid`] names the limit, counted from 0, and the bound that it breaks. No limits
/// at all, more than 16, or the same key twice are errors too: two limits on one key would
/// overwrite each other's TAT.
pub fn rates(limits: &[Limit]) -> Result<Vec<Rate>, LimiterError> {
    if limits.is_empty() || limits.len() > MAX_LIMITS {
        return Err(LimiterError::Invalid(
            "a call must name 1 to 16 limits".to_owned(),
        ));
    }
    let mut rates = Vec::with_capacity(limits.len());
    for (index, limit) in limits.iter().enumerate() {
        let rate = Rate::new(limit).map_err(|error| match error {
            LimiterError::Invalid(why) => LimiterError::Invalid(format!("limits[{index}]: {why}")),
            LimiterError::Unavailable(_) => error,
        })?;
        if limits[..index].iter().any(|other| other.key == limit.key) {
            let why = format!("limits[{index}]: the same key stands there twice");
            return Err(LimiterError::Invalid(why));
        }
        rates.push(rate);
    }
    Ok(rates)
}

/// Checks the bounds of the limits of one call; see [`rates`].
///
/// # Errors
///
/// As [`rates`].
pub fn validate(limits: &[Limit]) -> Result<(), LimiterError> {
    rates(limits).map(|_| ())
}

/// Measures one request against one limit.
///
/// # Errors
///
/// [`LimiterError::Invalid`] names the bound that the limit breaks.
pub fn check(tat: Option<u64>, now: u64, limit: &Limit) -> Result<Outcome, LimiterError> {
    Ok(Rate::new(limit)?.measure(tat, now))
}

/// Measures one request against several limits: it is counted against all of them when all allow
/// it, else against none. `tats` are the keys' present TATs in the order of the rates.
///
/// # Panics
///
/// When the two slices are not of one length.
#[must_use]
pub fn check_all(tats: &[Option<u64>], now: u64, rates: &[Rate]) -> Vec<Outcome> {
    assert_eq!(tats.len(), rates.len(), "one TAT a rate");
    let pairs = || tats.iter().copied().zip(rates);
    let mut outcomes: Vec<Outcome> = pairs().map(|(tat, rate)| rate.measure(tat, now)).collect();
    if outcomes.iter().any(|outcome| !outcome.decision.allowed) {
        for (outcome, (tat, rate)) in outcomes.iter_mut().zip(pairs()) {
            if outcome.decision.allowed {
                *outcome = Outcome {
                    decision: rate.look(tat, now),
                    tat: None,
                };
            }
        }
    }
    outcomes
}

/// A duration in nanoseconds; 584 years at most.
#[must_use]
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn limit(count: u32, period: Duration, burst: u32, cost: u32) -> Limit {
        Limit {
            key: "k".to_owned(),
            count,
            period,
            burst,
            cost,
        }
    }

    fn per_second(count: u32, burst: u32) -> Limit {
        limit(count, Duration::from_secs(1), burst, 1)
    }

    /// Runs requests at the given moments through one key.
    fn run(limit: &Limit, moments: &[u64]) -> Vec<Decision> {
        let mut tat = None;
        let mut step = |now: &u64| {
            let outcome = check(tat, *now, limit).unwrap();
            tat = outcome.tat.or(tat);
            outcome.decision
        };
        moments.iter().map(&mut step).collect()
    }

    #[test]
    fn a_burst_is_allowed_and_then_the_steady_rate() {
        let decisions = run(&per_second(10, 3), &[0, 0, 0, 0, SECOND / 10, SECOND / 10]);
        let allowed: Vec<bool> = decisions.iter().map(|d| d.allowed).collect();
        assert_eq!(allowed, [true, true, true, false, true, false]);
        let remaining: Vec<u32> = decisions.iter().map(|d| d.remaining).collect();
        assert_eq!(remaining, [2, 1, 0, 0, 0, 0]);
        assert_eq!(decisions[3].retry_after, Duration::from_millis(100));
        assert_eq!(decisions[3].reset_after, Duration::from_millis(300));
        assert_eq!(decisions[0].retry_after, Duration::ZERO);
    }

    #[test]
    fn retry_after_is_exact() {
        let limit = per_second(3, 2);
        let refused = run(&limit, &[7, 7, 7])[2];
        let wait = nanos(refused.retry_after);
        assert!(!run(&limit, &[7, 7, 7 + wait - 1])[2].allowed);
        assert!(run(&limit, &[7, 7, 7 + wait])[2].allowed);
    }

    #[test]
    fn no_more_than_count_and_burst_in_a_long_run() {
        for (count, burst) in [(3, 1), (7, 5), (100, 200), (999_983, 10)] {
            let limit = per_second(count, burst);
            // Asks far more often than allowed for a tenth of a second.
            let step = SECOND / u64::from(count) / 7 + 1;
            let moments: Vec<u64> = (0..)
                .map(|n| n * step)
                .take_while(|now| *now <= SECOND / 10)
                .take(50_000)
                .collect();
            let allowed = run(&limit, &moments).iter().filter(|d| d.allowed).count() as u64;
            let span = *moments.last().unwrap();
            let most = u64::from(burst) + u64::from(count) * span / SECOND;
            assert!(allowed <= most, "{count}/{burst}: {allowed} > {most}");
            let possible = most.min(moments.len() as u64);
            assert!(
                allowed * 1_000 + 2_000 >= possible * 998,
                "{count}/{burst}: {allowed}"
            );
        }
    }

    #[test]
    fn a_cost_counts_as_that_many_and_zero_only_looks() {
        let heavy = limit(10, Duration::from_secs(1), 10, 4);
        let decisions = run(&heavy, &[0, 0, 0]);
        assert_eq!(
            decisions.iter().map(|d| d.remaining).collect::<Vec<_>>(),
            [6, 2, 2]
        );
        assert!(!decisions[2].allowed);
        assert_eq!(decisions[2].retry_after, Duration::from_millis(200));

        let look = limit(10, Duration::from_secs(1), 10, 0);
        let outcome = check(Some(SECOND), 0, &look).unwrap();
        assert_eq!(
            (outcome.decision.allowed, outcome.decision.remaining),
            (true, 0)
        );
        assert_eq!(outcome.tat, None);
    }

    #[test]
    fn a_clock_set_back_locks_nobody_out() {
        let limit = per_second(10, 5);
        let far_ahead = Some(1_000 * SECOND);
        let refused = check(far_ahead, 0, &limit).unwrap().decision;
        assert!(!refused.allowed);
        assert_eq!(refused.retry_after, Duration::from_millis(100));
        assert_eq!(refused.reset_after, Duration::from_millis(500));
    }

    #[test]
    fn an_old_tat_is_as_good_as_none() {
        let limit = per_second(10, 5);
        assert_eq!(
            check(Some(1), 9 * SECOND, &limit),
            check(None, 9 * SECOND, &limit)
        );
    }

    #[test]
    fn nothing_overflows() {
        let huge = limit(1, MAX_HORIZON, 1, 1);
        for now in [0, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
            for tat in [None, Some(0), Some(now), Some(u64::MAX)] {
                let _ = check(tat, now, &huge).unwrap();
            }
        }
        assert_eq!(nanos(Duration::MAX), u64::MAX);
    }

    #[test]
    fn one_refusal_counts_against_none() {
        let limits = [per_second(10, 5), per_second(1, 1)];
        let rates: Vec<Rate> = limits.iter().map(|l| Rate::new(l).unwrap()).collect();
        let first = check_all(&[None, None], 0, &rates);
        assert!(first.iter().all(|o| o.decision.allowed && o.tat.is_some()));
        let second = check_all(&[first[0].tat, first[1].tat], 0, &rates);
        assert!(second[0].decision.allowed && !second[1].decision.allowed);
        assert_eq!(
            second[0].decision.remaining, 4,
            "as before: it was not counted"
        );
        assert!(second.iter().all(|o| o.tat.is_none()));
    }

    #[test]
    fn bounds_are_checked_and_named() {
        let cases = [
            (limit(0, Duration::from_secs(1), 1, 1), "count"),
            (limit(1, Duration::from_secs(1), 0, 0), "burst"),
            (limit(1, Duration::ZERO, 1, 1), "period"),
            (
                limit(1, MAX_HORIZON + Duration::from_secs(1), 1, 1),
                "period",
            ),
            (limit(1, Duration::from_secs(1), 2, 3), "cost"),
            (
                limit(1_000_001, Duration::from_secs(1), 1, 1),
                "a million a second",
            ),
            (limit(1, Duration::from_secs(3600), u32::MAX, 1), "366 days"),
            (
                Limit {
                    key: String::new(),
                    ..per_second(1, 1)
                },
                "key",
            ),
            (
                Limit {
                    key: "k".repeat(513),
                    ..per_second(1, 1)
                },
                "key",
            ),
        ];
        for (limit, word) in cases {
            let Err(LimiterError::Invalid(why)) = validate(std::slice::from_ref(&limit)) else {
                panic!("accepted: {limit:?}");
            };
            assert!(
                why.starts_with("limits[0]: ") && why.contains(word),
                "{why}"
            );
        }
        assert!(validate(&[]).is_err());
        let twice = [per_second(1, 1), per_second(2, 2)];
        assert_eq!(
            validate(&twice),
            Err(LimiterError::Invalid(
                "limits[1]: the same key stands there twice".to_owned()
            ))
        );
        let many: Vec<Limit> = (0..17)
            .map(|n| Limit {
                key: n.to_string(),
                ..per_second(1, 1)
            })
            .collect();
        assert!(validate(&many).is_err());
        assert!(validate(&many[..16]).is_ok());
    }
}

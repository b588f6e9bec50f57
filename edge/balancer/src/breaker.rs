//! A circuit breaker: an upstream of which too many requests fail is not asked for a while, then
//! by a few requests, and again by all when those went well.

use std::time::Duration;

use parking_lot::Mutex;

/// Parts that the window is cut into; the oldest is forgotten as a whole.
const SLICES: usize = 10;

/// When a breaker opens.
#[derive(Clone, Debug)]
pub struct BreakerConfig {
    /// The share of failures, 0 to 1.
    pub failure_ratio: f64,
    /// Requests within the window for the share to count.
    pub min_requests: u32,
    /// The time over which the share is taken.
    pub window: Duration,
    /// How long nothing is sent.
    pub open_for: Duration,
    /// Requests that are sent to try it, and that must all succeed.
    pub probes: u32,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            failure_ratio: 0.5,
            min_requests: 20,
            window: Duration::from_secs(10),
            open_for: Duration::from_secs(5),
            probes: 3,
        }
    }
}

/// Where a breaker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// All requests pass.
    Closed,
    /// None does.
    Open,
    /// A few do.
    HalfOpen,
}

/// How a request was let through; handed back with its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Admission {
    /// As all others.
    Ordinary,
    /// To try an upstream that failed.
    Probe,
}

/// The breaker of one upstream.
#[derive(Debug)]
pub struct Breaker {
    config: BreakerConfig,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: BreakerState,
    /// Since when it is open.
    opened: Duration,
    /// Probes on the way, and those that went well.
    probing: u32,
    passed: u32,
    slices: [(u32, u32); SLICES],
    /// The number of the newest slice since time began.
    newest: u128,
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub fn new(config: BreakerConfig) -> Self {
        Self {
            config,
            inner: Mutex::new(Inner {
                state: BreakerState::Closed,
                opened: Duration::ZERO,
                probing: 0,
                passed: 0,
                slices: [(0, 0); SLICES],
                newest: 0,
            }),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        self.inner.lock().state
    }

    /// Lets a request through, or not.
    ///
    /// # Errors
    ///
    /// How long until it is worth to ask again.
    pub fn admit(&self, now: Duration) -> Result<Admission, Duration> {
        let mut inner = self.inner.lock();
        if inner.state == BreakerState::Open {
            let left = (inner.opened + self.config.open_for).saturating_sub(now);
            if !left.is_zero() {
                return Err(left);
            }
            inner.state = BreakerState::HalfOpen;
            (inner.probing, inner.passed) = (0, 0);
        }
        if inner.state == BreakerState::Closed {
            return Ok(Admission::Ordinary);
        }
        if inner.probing + inner.passed >= self.config.probes.max(1) {
            // Those on the way will tell.
            return Err(self.config.open_for.min(Duration::from_secs(1)));
        }
        inner.probing += 1;
        Ok(Admission::Probe)
    }

    /// What became of a request: `None` when nobody knows, because the client left.
    pub fn record(&self, admission: Admission, good: Option<bool>, now: Duration) {
        let mut inner = self.inner.lock();
        match (inner.state, admission) {
            (BreakerState::HalfOpen, Admission::Probe) => {
                inner.probing = inner.probing.saturating_sub(1);
                match good {
                    Some(true) => inner.passed += 1,
                    Some(false) => inner.open(now),
                    None => {}
                }
                if inner.state == BreakerState::HalfOpen && inner.passed >= self.config.probes {
                    inner.state = BreakerState::Closed;
                    inner.slices = [(0, 0); SLICES];
                }
            }
            (BreakerState::Closed, _) => {
                let Some(good) = good else { return };
                let slice = inner.slice(self.config.window, now);
                match good {
                    true => slice.0 = slice.0.saturating_add(1),
                    false => slice.1 = slice.1.saturating_add(1),
                }
                let (good, failed) = inner.slices.iter().fold((0_u64, 0_u64), |sum, slice| {
                    (sum.0 + u64::from(slice.0), sum.1 + u64::from(slice.1))
                });
                let all = good + failed;
                if all >= u64::from(self.config.min_requests)
                    && failed > 0
                    && failed as f64 / all as f64 >= self.config.failure_ratio
                {
                    inner.open(now);
                }
            }
            // What was sent before it opened says nothing new.
            (BreakerState::Open | BreakerState::HalfOpen, _) => {}
        }
    }
}

impl Inner {
    fn open(&mut self, now: Duration) {
        self.state = BreakerState::Open;
        self.opened = now;
        self.slices = [(0, 0); SLICES];
    }

    /// The slice of now, with those emptied that were skipped.
    fn slice(&mut self, window: Duration, now: Duration) -> &mut (u32, u32) {
        let length = (window.as_micros() / SLICES as u128).max(1);
        let number = now.as_micros() / length;
        let skipped = number.saturating_sub(self.newest).min(SLICES as u128);
        for back in 0..skipped {
            self.slices[((number - back) % SLICES as u128) as usize] = (0, 0);
        }
        self.newest = self.newest.max(number);
        &mut self.slices[(self.newest % SLICES as u128) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn feed(breaker: &Breaker, good: bool, count: u32, now: Duration) {
        for _ in 0..count {
            if let Ok(admission) = breaker.admit(now) {
                breaker.record(admission, Some(good), now);
            }
        }
    }

    #[test]
    fn it_opens_probes_and_closes() {
        let breaker = Breaker::new(BreakerConfig::default());
        feed(&breaker, true, 10, SECOND);
        feed(&breaker, false, 9, SECOND);
        assert_eq!(breaker.state(), BreakerState::Closed);
        feed(&breaker, false, 1, SECOND);
        assert_eq!(breaker.state(), BreakerState::Open);
        assert_eq!(breaker.admit(2 * SECOND), Err(4 * SECOND));
        // Three are let through, and no fourth before they are back.
        for _ in 0..3 {
            assert_eq!(breaker.admit(6 * SECOND), Ok(Admission::Probe));
        }
        assert!(breaker.admit(6 * SECOND).is_err());
        // One whose client left makes room for another.
        breaker.record(Admission::Probe, None, 6 * SECOND);
        assert_eq!(breaker.admit(6 * SECOND), Ok(Admission::Probe));
        for _ in 0..3 {
            breaker.record(Admission::Probe, Some(true), 6 * SECOND);
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
        // What failed before is forgotten.
        feed(&breaker, false, 19, 6 * SECOND);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn a_probe_that_fails_opens_it_again() {
        let breaker = Breaker::new(BreakerConfig::default());
        feed(&breaker, false, 20, SECOND);
        assert_eq!(breaker.admit(6 * SECOND), Ok(Admission::Probe));
        breaker.record(Admission::Probe, Some(false), 6 * SECOND);
        assert_eq!(breaker.admit(7 * SECOND), Err(4 * SECOND));
    }

    #[test]
    fn old_failures_leave_the_window() {
        let breaker = Breaker::new(BreakerConfig::default());
        feed(&breaker, false, 19, SECOND);
        feed(&breaker, false, 19, 12 * SECOND);
        // Twice nineteen failures, but never twenty within ten seconds.
        assert_eq!(breaker.state(), BreakerState::Closed);
    }
}

//! How many requests may be sent again: a share of what comes in, so that retries cannot turn a
//! server that is slow into one that is down, and a few a second whatever comes in.
//!
//! Requests are not counted here but handed in as the running count that the caller keeps anyway:
//! a request that is not repeated costs nothing.

use std::time::Duration;

use parking_lot::Mutex;

/// The time over which the share is taken.
const WINDOW: Duration = Duration::from_secs(10);

/// How much may be sent again.
#[derive(Clone, Copy, Debug)]
pub struct BudgetConfig {
    /// Retries a request, 0 to 1.
    pub ratio: f64,
    /// Retries a second that are always allowed.
    pub min_per_second: u32,
}

impl Default for BudgetConfig {
    fn default() -> Self {
        Self {
            ratio: 0.2,
            min_per_second: 10,
        }
    }
}

/// The budget of one upstream.
#[derive(Debug)]
pub struct Budget {
    config: BudgetConfig,
    window: Mutex<Window>,
}

#[derive(Debug, Default)]
struct Window {
    began: Duration,
    /// The running count when it began.
    base: u64,
    /// Requests of a window before it; they count less as this one goes on.
    before: f64,
    spent: f64,
}

impl Budget {
    /// A full budget.
    #[must_use]
    pub fn new(config: BudgetConfig) -> Self {
        Self {
            config,
            window: Mutex::default(),
        }
    }

    /// Takes one retry out of the budget, if there is one; `requests` is the running count.
    pub fn withdraw(&self, requests: u64, now: Duration) -> bool {
        let mut window = self.window.lock();
        window.roll(requests, now);
        let passed = now.saturating_sub(window.began).div_duration_f64(WINDOW);
        let carried = window.before * (1.0 - passed).max(0.0);
        let seen = requests.saturating_sub(window.base) as f64 + carried;
        let always = f64::from(self.config.min_per_second) * WINDOW.as_secs_f64();
        if window.spent + 1.0 > self.config.ratio * seen + always {
            return false;
        }
        window.spent += 1.0;
        true
    }
}

impl Window {
    fn roll(&mut self, requests: u64, now: Duration) {
        let passed = now.saturating_sub(self.began);
        if passed < WINDOW {
            return;
        }
        let seen = requests.saturating_sub(self.base) as f64;
        *self = Self {
            began: now,
            base: requests,
            before: seen / passed.div_duration_f64(WINDOW),
            spent: 0.0,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_requests_may_be_repeated() {
        let budget = Budget::new(BudgetConfig {
            ratio: 0.1,
            min_per_second: 0,
        });
        let mut spent = 0;
        for request in 1..=1000 {
            let now = Duration::from_millis(request);
            spent += u32::from(budget.withdraw(request, now));
        }
        assert_eq!(spent, 100);
        // An hour later there is not an hour's worth of retries.
        let later = Duration::from_secs(3600);
        let burst = (0..1000).filter(|_| budget.withdraw(1_000, later)).count();
        assert!(burst <= 1, "{burst}");
    }

    #[test]
    fn a_few_are_always_allowed() {
        let budget = Budget::new(BudgetConfig {
            ratio: 0.0,
            min_per_second: 1,
        });
        let at = |seconds| Duration::from_secs(seconds);
        let first = (0..100).filter(|_| budget.withdraw(100, at(1))).count();
        assert_eq!(first, 10);
        let second = (0..100).filter(|_| budget.withdraw(200, at(11))).count();
        assert_eq!(second, 10);
    }
}

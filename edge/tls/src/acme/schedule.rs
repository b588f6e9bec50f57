//! When a certificate is ordered.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::{Duration, SystemTime};

use crate::certificate::Certificate;

/// The first wait after a failure; each further one is twice as long. Authorities allow some five
/// failures an hour.
const FIRST_WAIT: Duration = Duration::from_mins(5);
/// The longest wait after a failure.
const LONGEST_WAIT: Duration = Duration::from_hours(12);

/// When the certificate of one domain is ordered next.
#[derive(Debug)]
pub(super) struct Schedule {
    due: SystemTime,
    failures: u32,
}

impl Schedule {
    /// At once when there is none.
    pub(super) fn new(known: Option<&Certificate>) -> Self {
        let due = known.map_or(SystemTime::UNIX_EPOCH, renewal_of);
        Self { due, failures: 0 }
    }

    pub(super) fn is_due(&self, now: SystemTime) -> bool {
        self.due <= now
    }

    pub(super) fn wait(&self, now: SystemTime) -> Duration {
        self.due.duration_since(now).unwrap_or_default()
    }

    pub(super) fn succeeded(&mut self, certificate: &Certificate) {
        *self = Self::new(Some(certificate));
        // One that is due as soon as it is given must not make for a storm of orders.
        self.due = self.due.max(SystemTime::now() + FIRST_WAIT);
    }

    /// Says how long to wait.
    pub(super) fn failed(&mut self, now: SystemTime) -> Duration {
        let wait = back_off(self.failures, fraction());
        self.failures = self.failures.saturating_add(1);
        self.due = now + wait;
        wait
    }
}

fn renewal_of(certificate: &Certificate) -> SystemTime {
    renewal(certificate.not_before, certificate.not_after, fraction())
}

/// After two thirds of its lifetime, and up to a thirtieth of it later, so that nodes that began
/// together do not renew together.
fn renewal(from: SystemTime, to: SystemTime, fraction: f64) -> SystemTime {
    let lifetime = to.duration_since(from).unwrap_or_default();
    from + lifetime * 2 / 3 + (lifetime / 30).mul_f64(fraction)
}

/// Twice as long each time, and up to a quarter longer.
fn back_off(failures: u32, fraction: f64) -> Duration {
    let wait = FIRST_WAIT.saturating_mul(1 << failures.min(16));
    wait.min(LONGEST_WAIT).mul_f64(1.0 + fraction / 4.0)
}

/// Somewhere from 0 to 1.
fn fraction() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    f64::from((random >> 32) as u32) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_renewed_after_two_thirds_of_its_lifetime() {
        let day = Duration::from_hours(24);
        let from = SystemTime::UNIX_EPOCH + day * 1000;
        let to = from + day * 90;
        assert_eq!(renewal(from, to, 0.0), from + day * 60);
        assert_eq!(renewal(from, to, 1.0), from + day * 63);
        assert_eq!(renewal(to, from, 1.0), to, "a lifetime that makes no sense");
        assert!((0.0..=1.0).contains(&fraction()));
    }

    #[test]
    fn an_order_that_fails_is_tried_later_and_later() {
        let waits: Vec<_> = (0..9).map(|n| back_off(n, 0.0).as_secs() / 60).collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640, 720]);
        assert_eq!(back_off(u32::MAX, 1.0), LONGEST_WAIT.mul_f64(1.25));

        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let mut schedule = Schedule::new(None);
        assert!(schedule.is_due(now));
        let wait = schedule.failed(now);
        assert!(!schedule.is_due(now) && schedule.wait(now) == wait);
        assert!(schedule.failed(now) > wait);
    }
}

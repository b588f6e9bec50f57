//! `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11) as structured fields (RFC
//! 9651). Names were checked to need no escaping.

use std::fmt::Write as _;
use std::time::Duration;

use zephyr_edge_core::capability::Decision;

/// What is said of one limit.
#[derive(Debug)]
pub(crate) struct Item {
    /// `"name"`, with its quotes.
    name: String,
    /// The whole member of `RateLimit-Policy`, which never changes.
    policy: String,
    /// Time between two requests at a steady rate.
    interval: Duration,
    burst: u32,
}

impl Item {
    pub(crate) fn new(name: &str, count: u32, period: Duration, burst: u32) -> Self {
        let name = format!("\"{name}\"");
        // A window is whole seconds (section 3.1.3); another period is told by what it comes to.
        let window = whole_seconds(period).max(1);
        let quota = u128::from(count) * u128::from(window) * 1_000 / period.as_millis().max(1);
        let mut policy = format!("{name};q={quota};w={window}");
        if u128::from(burst) != quota {
            // Else a client would wonder about an `r` above `q`. Parameters of a service carry a
            // prefix (section 3.1).
            let _ = write!(policy, ";zephyr-burst={burst}");
        }
        Self {
            name,
            policy,
            interval: period / count,
            burst,
        }
    }

    pub(crate) fn push_policy(&self, field: &mut String) {
        separate(field);
        field.push_str(&self.policy);
    }

    /// `r`: requests left. `t`: seconds in which there will be no more than those (section 4.1.2); left
    /// out when nothing has been used.
    pub(crate) fn push_state(&self, decision: &Decision, field: &mut String) {
        separate(field);
        let _ = write!(field, "{};r={}", self.name, decision.remaining);
        let wait = if decision.allowed {
            let missing = self.burst.saturating_sub(decision.remaining + 1);
            decision
                .reset_after
                .saturating_sub(self.interval.saturating_mul(missing))
        } else {
            decision.retry_after
        };
        if decision.remaining < self.burst {
            let _ = write!(field, ";t={}", whole_seconds(wait).max(1));
        }
    }
}

fn separate(field: &mut String) {
    if !field.is_empty() {
        field.push_str(", ");
    }
}

/// Rounded up: a client that waits for so long does not come too early.
pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(count: u32, period: &str, burst: u32) -> String {
        let period = zephyr_edge_core::config::parse_duration(period).unwrap();
        let mut field = String::new();
        Item::new("a", count, period, burst).push_policy(&mut field);
        field
    }

    #[test]
    fn a_policy_is_quota_and_window() {
        assert_eq!(policy(100, "1s", 100), "\"a\";q=100;w=1");
        assert_eq!(policy(100, "1s", 200), "\"a\";q=100;w=1;zephyr-burst=200");
        assert_eq!(policy(30, "1m", 30), "\"a\";q=30;w=60");
        assert_eq!(policy(10, "100ms", 100), "\"a\";q=100;w=1");
        assert_eq!(policy(3, "1500ms", 4), "\"a\";q=4;w=2");
    }

    #[test]
    fn a_state_is_what_is_left_and_for_how_long() {
        let item = Item::new("a", 1, Duration::from_secs(10), 3);
        let state = |allowed, remaining, reset: u64, retry: u64| {
            let mut field = String::new();
            let decision = Decision {
                allowed,
                remaining,
                reset_after: Duration::from_secs(reset),
                retry_after: Duration::from_secs(retry),
            };
            item.push_state(&decision, &mut field);
            field
        };
        assert_eq!(state(true, 2, 10, 0), "\"a\";r=2;t=10");
        assert_eq!(state(true, 1, 20, 0), "\"a\";r=1;t=10");
        assert_eq!(state(true, 1, 14, 0), "\"a\";r=1;t=4");
        assert_eq!(state(true, 0, 27, 0), "\"a\";r=0;t=7");
        assert_eq!(state(false, 0, 27, 7), "\"a\";r=0;t=7");
        assert_eq!(state(true, 3, 0, 0), "\"a\";r=3");
    }

    #[test]
    fn members_are_set_apart() {
        let mut field = String::new();
        for name in ["a", "b"] {
            Item::new(name, 1, Duration::from_secs(1), 1).push_policy(&mut field);
        }
        assert_eq!(field, "\"a\";q=1;w=1, \"b\";q=1;w=1");
    }
}

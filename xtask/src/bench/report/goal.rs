//! What a row is to reach, and whether it does.

use std::fmt;

use serde::Serialize;

/// One aim of a row.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Goal {
    /// In words: `>= 0.9 x`.
    pub(crate) goal: String,
    pub(crate) met: bool,
}

impl Goal {
    /// A ratio of requests per second.
    pub(super) fn rate(ratio: f64, least: f64) -> Self {
        Self {
            goal: format!(">= {least} x"),
            met: rounded(ratio) >= least,
        }
    }

    /// A ratio of latencies at the 99th percentile: no worse.
    pub(super) fn p99(ratio: f64) -> Self {
        Self {
            goal: "p99 <= 1 x".to_owned(),
            met: rounded(ratio) <= 1.0,
        }
    }

    /// A value with a unit.
    pub(super) fn at_most(value: f64, most: f64, unit: &str) -> Self {
        Self {
            goal: format!("<= {most} {unit}"),
            met: value <= most,
        }
    }

    /// A ratio of values, the smaller the better.
    pub(super) fn at_most_ratio(ratio: f64, most: f64) -> Self {
        Self {
            goal: format!("<= {most} x"),
            met: rounded(ratio) <= most,
        }
    }

    /// A ratio of values, the greater the better.
    pub(super) fn above(ratio: f64) -> Self {
        Self {
            goal: "> 1 x".to_owned(),
            met: ratio > 1.0,
        }
    }
}

/// As it is shown, so that nothing looks met and is not.
fn rounded(ratio: f64) -> f64 {
    (ratio * 100.0).round() / 100.0
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.met { "met" } else { "MISSED" };
        write!(f, "{} {word}", self.goal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_met_or_missed() {
        let said = |goal: Goal| goal.to_string();
        assert_eq!(said(Goal::rate(0.996, 1.0)), ">= 1 x met");
        assert_eq!(said(Goal::rate(0.99, 1.0)), ">= 1 x MISSED");
        assert_eq!(said(Goal::p99(1.004)), "p99 <= 1 x met");
        assert_eq!(said(Goal::p99(1.01)), "p99 <= 1 x MISSED");
        assert_eq!(said(Goal::at_most(8.1, 8.0, "µs")), "<= 8 µs MISSED");
        assert_eq!(said(Goal::at_most_ratio(1.5, 1.5)), "<= 1.5 x met");
        assert_eq!(said(Goal::above(1.0)), "> 1 x MISSED");
        // An infinite or undefined ratio meets nothing by accident.
        assert!(!Goal::rate(f64::NAN, 1.0).met);
        assert!(!Goal::p99(f64::NAN).met);
    }
}

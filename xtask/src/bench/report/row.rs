//! One row of the report.

use serde::Serialize;

use super::super::case::Case;
use super::super::load::Measured;
use super::goal::Goal;

/// One row.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// Medians over the rounds, for rows that are loads.
    pub(crate) requests_per_second: Option<f64>,
    /// For bodies of which a second's worth shows in it.
    pub(crate) mebibytes_per_second: Option<f64>,
    pub(crate) p50_us: Option<f64>,
    pub(crate) p99_us: Option<f64>,
    /// Processor time of the server for one request.
    pub(crate) cpu_us: Option<f64>,
    /// The row that this one is measured against.
    pub(crate) yardstick: Option<String>,
    /// This row's requests per second, or value, by the yardstick's.
    pub(crate) ratio: Option<f64>,
    pub(crate) p99_ratio: Option<f64>,
    pub(crate) cpu_ratio: Option<f64>,
    /// This row's requests per second by Varnish's.
    pub(crate) varnish_ratio: Option<f64>,
    /// The figure of rows that are no loads, with its unit.
    pub(crate) value: Option<f64>,
    pub(crate) unit: Option<&'static str>,
    pub(crate) goals: Vec<Goal>,
    /// Whether all goals are met; none, where there is no goal.
    pub(crate) met: Option<bool>,
}

/// The medians of what a row is measured against.
#[derive(Debug, Default)]
pub(crate) struct Yardstick<'a> {
    pub(crate) nginx: Option<&'a Measured>,
    pub(crate) varnish: Option<&'a Measured>,
}

impl Row {
    /// A row of requests per second.
    pub(crate) fn load(case: &Case, measured: &Measured, beside: &Yardstick<'_>) -> Self {
        let against = |of: fn(&Measured) -> f64| {
            let nginx = beside.nginx?;
            Some(of(measured) / of(nginx))
        };
        let ratio = against(|measured| measured.requests_per_second);
        let p99_ratio = against(|measured| measured.p99_us);
        let mut goals = Vec::new();
        if let (Some(aim), Some(ratio), Some(p99)) = (case.aim, ratio, p99_ratio) {
            goals.push(Goal::rate(ratio, aim.rate));
            goals.extend(aim.p99.then(|| Goal::p99(p99)));
        }
        let rate = measured.requests_per_second;
        Self {
            name: case.name.clone(),
            requests_per_second: Some(rate),
            mebibytes_per_second: case.body().map(|body| mebibytes(rate, body.bytes())),
            p50_us: Some(measured.p50_us),
            p99_us: Some(measured.p99_us),
            cpu_us: Some(measured.cpu_us),
            yardstick: case.yardstick.clone(),
            ratio,
            p99_ratio,
            cpu_ratio: against(|measured| measured.cpu_us),
            varnish_ratio: beside
                .varnish
                .map(|varnish| rate / varnish.requests_per_second),
            ..Self::default()
        }
        .with(goals)
    }

    pub(crate) fn stage_cost(name: &str, microseconds: f64, aim: Option<f64>) -> Self {
        let goal = aim.map(|aim| Goal::at_most(microseconds, aim, "µs"));
        Self::value(name, microseconds, "µs").with(goal.into_iter().collect())
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "bytes of a process, shown in MiB"
    )]
    pub(crate) fn resident(name: &str, bytes: u64) -> Self {
        let mebibytes = bytes as f64 / (1024.0 * 1024.0);
        Self::value(name, mebibytes, "MiB").with(vec![Goal::at_most(mebibytes, 120.0, "MiB")])
    }

    /// A row that others are measured against.
    pub(crate) fn reference(name: &str, value: f64, unit: &'static str) -> Self {
        Self::value(name, value, unit)
    }

    /// A value that may be `most` times the reference's.
    pub(crate) fn at_most(name: &str, value: f64, reference: &Self, most: f64) -> Self {
        Self::compared(name, value, reference, |ratio| {
            Goal::at_most_ratio(ratio, most)
        })
    }

    /// A value that must be above the reference's.
    pub(crate) fn above(name: &str, value: f64, reference: &Self) -> Self {
        Self::compared(name, value, reference, Goal::above)
    }

    fn compared(name: &str, value: f64, reference: &Self, goal: impl Fn(f64) -> Goal) -> Self {
        let ratio = reference.value.map(|reference| value / reference);
        let goals = ratio.map(goal).into_iter().collect();
        Self {
            yardstick: Some(reference.name.clone()),
            ratio,
            ..Self::value(name, value, reference.unit.unwrap_or_default())
        }
        .with(goals)
    }

    fn value(name: &str, value: f64, unit: &'static str) -> Self {
        Self {
            name: name.to_owned(),
            value: Some(value),
            unit: Some(unit),
            ..Self::default()
        }
    }

    fn with(mut self, goals: Vec<Goal>) -> Self {
        self.met = (!goals.is_empty()).then(|| goals.iter().all(|goal| goal.met));
        self.goals = goals;
        self
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the bytes of a body, far below what a float holds"
)]
fn mebibytes(rate: f64, bytes: usize) -> f64 {
    rate * bytes as f64 / (1024.0 * 1024.0)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::super::body::Body;
    use super::super::super::case::{Aim, Expected, Who};
    use super::*;

    /// nginx, Varnish, a node that is slower than the one and faster than the other, and values.
    pub(in super::super) fn rows() -> Vec<Row> {
        let measured = |rate, cpu_us| Measured {
            requests: 1000.0,
            cpu_us,
            requests_per_second: rate,
            p50_us: 400.4,
            p99_us: 900.0,
        };
        let case = |name| Case::new(name, Who::Node, "/", Expected::Body(Body::Huge));
        let (nginx, varnish) = (measured(100.0, 12.5), measured(50.0, 20.0));
        let node = case("node").against(
            "nginx",
            Some(Aim {
                rate: 0.8,
                p99: true,
            }),
        );
        let beside = Yardstick {
            nginx: Some(&nginx),
            varnish: Some(&varnish),
        };
        let idle = Row::reference("nginx idle", 500.0, "B");
        vec![
            Row::load(&case("nginx"), &nginx, &Yardstick::default()),
            Row::load(&case("varnish"), &varnish, &Yardstick::default()),
            Row::load(&node, &measured(75.0, 15.0), &beside),
            Row::stage_cost("stage", 5.25, Some(8.0)),
            Row::resident("resident", 64 * 1024 * 1024),
            Row::at_most("idle", 1000.0, &idle, 1.5),
        ]
    }

    #[test]
    fn rows_are_measured_against_both() {
        let rows = rows();
        let node = &rows[2];
        assert_eq!(node.mebibytes_per_second, Some(750.0));
        assert_eq!((node.ratio, node.p99_ratio), (Some(0.75), Some(1.0)));
        assert_eq!((node.cpu_ratio, node.varnish_ratio), (Some(1.2), Some(1.5)));
        assert_eq!(node.met, Some(false));
        assert_eq!((rows[0].ratio, rows[0].met), (None, None));
        assert_eq!((rows[3].met, rows[5].met), (Some(true), Some(false)));
    }

    #[test]
    fn above_is_above() {
        let lru = Row::reference("LRU", 70.0, "%");
        let met = |value| Row::above("ours", value, &lru).met;
        assert_eq!((met(70.0), met(71.0)), (Some(false), Some(true)));
    }
}

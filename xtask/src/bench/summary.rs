//! From what the rounds found to the rows of the report.

use super::case::{Case, StageKind};
use super::load::Measured;
use super::report::{Row, Yardstick};
use super::rows::ADDED_STAGES;
use super::selection::Selection;
use super::statistics;

/// The rows of requests per second.
pub(crate) fn loads(cases: &[Case], results: &[Vec<Measured>]) -> Vec<Row> {
    let medians: Vec<Measured> = results.iter().map(|runs| Measured::median(runs)).collect();
    let find = |name: &Option<String>| {
        let name = name.as_ref()?;
        let at = cases.iter().position(|case| &case.name == name)?;
        medians.get(at)
    };
    cases
        .iter()
        .zip(&medians)
        .filter(|(case, _)| case.stages.is_none())
        .map(|(case, median)| {
            let beside = Yardstick {
                nginx: find(&case.yardstick),
                varnish: find(&case.varnish),
            };
            Row::load(case, median, &beside)
        })
        .collect()
}

/// What one stage more costs: the slope over the rounds, its median.
pub(crate) fn stage_costs(
    selection: &Selection,
    cases: &[Case],
    results: &[Vec<Measured>],
) -> Vec<Row> {
    let cost = |kind: StageKind| {
        let points: Vec<(u32, &[Measured])> = cases
            .iter()
            .zip(results)
            .filter_map(|(case, runs)| {
                let (of, count) = case.stages?;
                (of == kind || count == 0).then_some((count, runs.as_slice()))
            })
            .collect();
        let rounds = points.iter().map(|(_, runs)| runs.len()).min().unwrap_or(0);
        let slopes: Vec<f64> = (0..rounds)
            .map(|round| {
                let line: Vec<(f64, f64)> = points
                    .iter()
                    .map(|(count, runs)| (f64::from(*count), runs[round].cpu_us))
                    .collect();
                statistics::slope(&line)
            })
            .collect();
        statistics::median(&slopes)
    };
    ADDED_STAGES
        .iter()
        .filter(|(kind, ..)| selection.wants_stages(*kind))
        .map(|(kind, name, aim)| Row::stage_cost(name, cost(*kind), *aim))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::rows;
    use super::*;

    fn measured(rate: f64, cpu_us: f64) -> Measured {
        Measured {
            requests: rate,
            cpu_us,
            requests_per_second: rate,
            p50_us: 1.0,
            p99_us: 2.0,
        }
    }

    #[test]
    fn rows_find_their_yardsticks() {
        let selection = Selection::new(&["hit, 100 KiB, from disk".to_owned()]);
        let cases = selection.cases(rows::cases());
        let rates = [100.0, 50.0, 200.0];
        let results: Vec<Vec<Measured>> = rates
            .iter()
            .map(|rate| vec![measured(*rate, 1.0)])
            .collect();
        let rows = loads(&cases, &results);
        assert_eq!(rows[2].name, "hit, 100 KiB, from disk");
        assert_eq!(
            (rows[2].ratio, rows[2].varnish_ratio),
            (Some(2.0), Some(4.0))
        );
        assert!(stage_costs(&selection, &cases, &results).is_empty());
    }

    #[test]
    fn a_stage_costs_what_it_adds() {
        let selection = Selection::new(&["added filter stage".to_owned()]);
        let cases = selection.cases(rows::cases());
        let results: Vec<Vec<Measured>> = cases
            .iter()
            .map(|case| match case.stages.unwrap() {
                (StageKind::Plain, count) => vec![measured(1.0, 10.0 + 2.0 * f64::from(count))],
                (StageKind::FourCalls, count) => vec![measured(1.0, 10.0 + 5.0 * f64::from(count))],
            })
            .collect();
        assert!(loads(&cases, &results).is_empty());
        let rows = stage_costs(&selection, &cases, &results);
        let values: Vec<f64> = rows.iter().map(|row| row.value.unwrap().round()).collect();
        assert_eq!(values, [2.0, 5.0]);
    }
}

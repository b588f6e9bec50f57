//! `cargo xtask bench`: the edge node beside nginx, on the same machine, with the same settings.
//!
//! Both servers run with one worker thread on the first core; the load generator and the upstream
//! run on the other cores, so that neither server pays for them. Both cache in a like way, keep
//! connections alive, and write no access log. The upstream is one more nginx that answers from
//! memory. Every round runs all rows, each node row right after its yardstick, so that whatever
//! slows the machine down slows both; the table shows medians over the rounds.
//!
//! | row | what it measures |
//! |---|---|
//! | cached hit, 1 KiB | the cache alone, beside `proxy_cache` |
//! | cached hit, four filters | auth with an EdDSA token, ratelimit, cache and a no-op before it |
//! | pass-through, 1 KiB | a trip to the upstream on a kept connection, beside `proxy_pass` |
//! | service `hello` | a `wasi:http` 0.3 component that answers by itself |
//! | added filter stage | the slope of the processor time per request over the number of stages |
//! | resident memory | `VmRSS` of a node that has run the four components |

mod build;
mod cpu;
mod load;
mod nginx;
mod node;
mod placement;
pub(crate) mod probe;
mod report;
mod rows;
mod server;
mod statistics;
mod token;
mod tools;

use std::time::Duration;

use anyhow::Context as _;

use crate::workspace::Workspace;
use crate::{components, progress};

use load::{Load, Measured};
use placement::Placement;
use report::{Report, Row};
use rows::{ADDED_STAGES, Case, StageKind};
use tools::Tools;

/// Options of `cargo xtask bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many rounds; the table shows medians
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,

    /// How long each measurement takes, in seconds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,

    /// Connections that the load generator keeps open
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: u32,

    /// Measure what was built before, without building
    #[arg(long)]
    no_build: bool,

    /// Build and measure with debug settings: to see that it runs, not for figures
    #[arg(long)]
    debug: bool,
}

/// Builds, measures, prints the table and writes `target/bench/latest.json`.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> anyhow::Result<()> {
    let tools = Tools::find()?;
    if !args.no_build {
        components::prepare(workspace, components::All)?;
        build::node(workspace, args.debug)?;
    }
    let program = build::program(workspace, args.debug)?;
    let folder = tempfile::Builder::new().prefix("zephyr-bench-").tempdir()?;
    let placement = Placement::choose(&tools)?;
    progress::line(&placement.describe());

    let upstream = nginx::Upstream::start(&tools, &placement, folder.path())?;
    let yardstick = nginx::Yardstick::start(&tools, &placement, folder.path(), upstream.port())?;
    let components = workspace.components();
    let node = node::Node::start(
        &program,
        &placement,
        folder.path(),
        &node::Setup::all_rows(&components, upstream.port()),
    )?;
    let load = Load {
        wrk: &tools.wrk,
        placement: &placement,
        duration: Duration::from_secs(args.seconds),
        connections: args.connections,
    };
    let cases = rows::cases(yardstick.address(), node.address());
    progress::step("checking that all rows answer as they should", || {
        cases.iter().try_for_each(Case::check)
    })?;

    let mut results: Vec<Vec<Measured>> = vec![Vec::new(); cases.len()];
    for round in 1..=args.runs {
        progress::step(&format!("round {round} of {}", args.runs), || {
            for (case, results) in cases.iter().zip(&mut results) {
                let measured = load.run(&case.url(), case.header.as_deref(), case.pid);
                results.push(measured.with_context(|| case.name.clone())?);
            }
            Ok(())
        })?;
    }
    drop(node);
    drop(yardstick);

    let resident = progress::step("measuring resident memory", || {
        let setup = node::Setup::four_components(&components, upstream.port());
        let node = node::Node::start(&program, &placement, folder.path(), &setup)?;
        node.exercise_components()?;
        node.resident_bytes()
    })?;

    let mut rows = table(&cases, &results);
    rows.extend(stage_costs(&cases, &results));
    rows.push(Row::resident(resident));
    let report = Report {
        rows,
        placement: placement.describe(),
        runs: args.runs,
        seconds: args.seconds,
        connections: args.connections,
        debug: args.debug,
    };
    report.print()?;
    report.write(&workspace.target.join("bench"))
}

/// The rows of requests per second.
fn table(cases: &[Case], results: &[Vec<Measured>]) -> Vec<Row> {
    let medians: Vec<Measured> = results.iter().map(|runs| Measured::median(runs)).collect();
    cases
        .iter()
        .zip(&medians)
        .filter(|(case, _)| case.stages.is_none())
        .map(|(case, median)| {
            let yardstick = case.yardstick.as_ref().and_then(|name| {
                let at = cases.iter().position(|case| &case.name == name)?;
                Some((name.clone(), medians[at].requests_per_second))
            });
            Row::throughput(&case.name, median, yardstick, case.aim)
        })
        .collect()
}

/// What one stage more costs: the slope over the rounds, its median.
fn stage_costs(cases: &[Case], results: &[Vec<Measured>]) -> Vec<Row> {
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
        .map(|(kind, name, aim)| Row::stage_cost(name, cost(*kind), *aim))
        .collect()
}

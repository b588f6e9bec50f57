//! `cargo xtask bench`: the edge node beside nginx and Varnish, on the same machine, with the same
//! settings.
//!
//! All servers run with one worker thread on the first core; the load generator and the upstream
//! run on the other cores, so that no server pays for them. They cache in a like way, keep
//! connections alive, and write no access log. The upstream is one more nginx. Every round runs all
//! rows, each node row right after its yardsticks, so that whatever slows the machine down slows
//! all; the table shows medians over the rounds. `docs/benchmarks.md` says what each row measures.
//!
//! * [`rows`] -- what is measured, against what, with which aim.
//! * [`testbed`] -- the servers: [`nginx`], [`varnish`], [`node`].
//! * [`load`] -- `wrk` and `h2load`.
//! * [`mod@idle`], [`mod@memory`], [`mod@zipf`] -- rows that are no loads.
//! * [`report`] -- the table and `target/bench/latest.json`.

mod body;
mod build;
mod case;
mod certificate;
mod cpu;
mod idle;
mod limits;
mod load;
mod memory;
mod nginx;
mod node;
mod placement;
pub(crate) mod probe;
mod report;
mod rows;
mod selection;
mod server;
mod statistics;
mod summary;
mod testbed;
mod token;
mod tools;
mod varnish;
mod zipf;

use std::time::Duration;

use anyhow::Context as _;

use crate::workspace::Workspace;
use crate::{components, progress};

use case::{Case, Who};
use load::{Load, Measured};
use report::{Report, Row};
use selection::Selection;
use testbed::{Servers, Testbed};
use tools::Tools;

/// Files that this process and the servers have open beside the idle connections.
const OTHER_FILES: u64 = 1000;

const RESIDENT: &str = "resident memory, four components";
const IDLE: [&str; 2] = ["nginx idle connection", "idle connection"];

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

    /// Idle connections that memory is divided by
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u16).range(500..=16_000))]
    idle: u16,

    /// Run only rows whose name holds this text, and what they are measured against
    #[arg(long, value_name = "PATTERN")]
    only: Vec<String>,

    /// Measure what was built before, without building
    #[arg(long)]
    no_build: bool,

    /// Build and measure with debug settings: to see that it runs, not for figures
    #[arg(long)]
    debug: bool,
}

/// Builds, measures, prints the table and writes `target/bench/latest.json`.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> anyhow::Result<()> {
    let selection = Selection::new(&args.only);
    let cases = selection.cases(rows::cases());
    let others = [RESIDENT, IDLE[0], IDLE[1], zipf::NAME];
    anyhow::ensure!(
        !cases.is_empty() || others.iter().any(|name| selection.wants(name)),
        "no row has a name with {}",
        args.only.join(" or ")
    );
    let tools = Tools::find()?;
    if !args.no_build {
        components::prepare(workspace, components::All)?;
        build::programs(workspace, args.debug)?;
    }
    let program = build::program(workspace, args.debug, "zephyr")?;
    let bed = Testbed::prepare(workspace, tools, program)?;
    progress::line(&bed.placement.describe());
    // Before the servers are started, which inherit it.
    let files = limits::open_files(u64::from(args.idle) + OTHER_FILES);

    let servers = Servers::start(&bed, &cases)?;
    let results = measure(&bed, &servers, &cases, args)?;
    let mut rows = summary::loads(&cases, &results);
    rows.extend(summary::stage_costs(&selection, &cases, &results));
    if IDLE.iter().any(|name| selection.wants(name)) {
        let count = u64::from(args.idle).min(files.saturating_sub(OTHER_FILES));
        rows.extend(idle(&servers, usize::try_from(count)?)?);
    }
    let upstream = servers.into_upstream();
    if selection.wants(RESIDENT) {
        rows.push(resident(&bed, upstream.port())?);
    }
    if selection.wants(zipf::NAME) {
        let program = build::program(workspace, args.debug, "examples/zipf")?;
        rows.extend(progress::step("comparing hit ratios", || {
            zipf::rows(&program)
        })?);
    }
    let report = Report {
        rows,
        placement: bed.placement.describe(),
        runs: args.runs,
        seconds: args.seconds,
        connections: args.connections,
        debug: args.debug,
        only: args.only.clone(),
    };
    report.print()?;
    report.write(&workspace.target.join("bench"))
}

/// All rounds of all cases: for each case, what each round found.
fn measure(
    bed: &Testbed,
    servers: &Servers,
    cases: &[Case],
    args: &Args,
) -> anyhow::Result<Vec<Vec<Measured>>> {
    let load = Load {
        tools: &bed.tools,
        placement: &bed.placement,
        folder: bed.path(),
        duration: Duration::from_secs(args.seconds),
        connections: args.connections,
    };
    progress::step("checking that all rows answer as they should", || {
        cases
            .iter()
            .try_for_each(|case| case.check(&servers.address(case.server)?))
    })?;
    let mut results: Vec<Vec<Measured>> = vec![Vec::new(); cases.len()];
    for round in 1..=args.runs {
        progress::step(&format!("round {round} of {}", args.runs), || {
            for (case, results) in cases.iter().zip(&mut results) {
                let measured = load.run(case, &servers.address(case.server)?);
                results.push(measured.with_context(|| case.name.clone())?);
            }
            Ok(())
        })?;
    }
    Ok(results)
}

/// The rows of what an idle connection costs.
fn idle(servers: &Servers, count: usize) -> anyhow::Result<[Row; 2]> {
    progress::step(&format!("opening {count} idle connections"), || {
        let path = format!("/cached/{}", body::Body::Small.file());
        let bytes = |who| {
            idle::bytes_per_connection(&servers.address(who)?, &path, count)
                .with_context(|| format!("idle connections of {who:?}"))
        };
        let nginx = Row::reference(IDLE[0], bytes(Who::Nginx)?, "B");
        let node = Row::at_most(IDLE[1], bytes(Who::Node)?, &nginx, 1.5);
        Ok([nginx, node])
    })
}

/// The row of what a node holds that has run the four components.
fn resident(bed: &Testbed, upstream: u16) -> anyhow::Result<Row> {
    progress::step("measuring resident memory", || {
        let node = node::Node::start(bed, &node::Setup::four_components(upstream))?;
        node.exercise_components()?;
        Ok(Row::resident(RESIDENT, node.resident_bytes()?))
    })
}

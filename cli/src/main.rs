//! The `zephyr` command: an edge node, the origin, or all of it on one machine.
//!
//! This crate only composes: what a node does stands in `edge/node`, what the origin does in
//! `origin/server`. Each subcommand is a module with its options and one `run`. Exit codes: 0 when
//! all went well, 1 when something failed, 2 for a wrong command line or configuration.

mod cache;
mod completions;
mod component;
mod dev;
mod edge;
mod exit;
mod logging;
mod migrate;
mod origin;
mod secret;
mod seed;
mod signals;
mod spin;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// glibc's keeps what was freed for as long as something above it is in use, and what idle connections
/// gave up is needed elsewhere; this one gives whole pages back, and takes less time (docs/benchmarks.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ABOUT: &str = "\
Zephyr answers web requests at the edge: WebAssembly components on edge nodes look at every request
first, a shared cache answers what it can, and one origin over PostgreSQL does the rest.";

const AFTER_HELP: &str = "\
Start here:  zephyr dev          everything on this machine, until Ctrl-C

Secrets are read from the environment, so that they stand in no process list:
  DATABASE_URL         postgres://user:password@host/database
  ZEPHYR_ADMIN_TOKEN   opens the origin's admin API
  ZEPHYR_EDGE_TOKEN    with which edge nodes join the origin
  REDIS_URL            shared counters and keys of edge nodes (optional)

RUST_LOG says what is logged on standard error, such as `debug` or `info,zephyr_edge=debug`.
Exit codes: 0 success, 1 failure, 2 wrong command line or configuration.";

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "zephyr", version, about = ABOUT, after_help = AFTER_HELP, max_term_width = 100)]
struct Cli {
    /// How log lines look on standard error
    #[arg(long, global = true, value_enum, env = "ZEPHYR_LOG_FORMAT", default_value_t = logging::Format::Text)]
    log_format: logging::Format,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run PostgreSQL, the origin and edge nodes on this machine until Ctrl-C
    Dev(dev::Args),
    /// Run one edge node
    Edge(edge::Args),
    /// Run a Spin application on an edge node
    Spin(spin::Args),
    /// Run the origin server
    Origin(origin::Args),
    /// Bring the database's schema up to date
    Migrate(migrate::Args),
    /// Fill an empty database with listings to play with
    Seed(seed::Args),
    /// Tell what a cache makes of an answer
    Cache(cache::Args),
    /// Work with components
    Component(component::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return exit::command_line(&error),
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error),
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    logging::install(cli.log_format)?;
    match cli.command {
        Command::Dev(args) => dev::run(args),
        Command::Edge(args) => edge::run(&args),
        Command::Spin(args) => spin::run(&args),
        Command::Origin(args) => origin::run(args),
        Command::Migrate(args) => migrate::run(&args),
        Command::Seed(args) => seed::run(&args),
        Command::Cache(args) => cache::run(&args),
        Command::Component(args) => component::run(&args),
        Command::Completions(args) => completions::run(&args),
    }
}

/// The runtime of everything but an edge node's workers, which have their own.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    use anyhow::Context as _;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("zephyr")
        .build()
        .context("could not start the runtime")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn the_log_format_may_stand_behind_the_subcommand() {
        let cli = Cli::try_parse_from(["zephyr", "edge", "--log-format", "json"]).unwrap();
        assert_eq!(cli.log_format, logging::Format::Json);
    }

    #[test]
    fn seeding_nothing_and_a_number_of_listings_exclude_each_other() {
        let line = ["zephyr", "dev", "--no-seed", "--listings", "5"];
        let error = Cli::try_parse_from(line).unwrap_err();
        assert_eq!(error.kind(), clap::error::ErrorKind::ArgumentConflict);
    }

    #[test]
    fn a_fleet_of_nodes_on_one_machine_has_a_bound() {
        assert!(Cli::try_parse_from(["zephyr", "dev", "--edges", "16"]).is_ok());
        assert!(Cli::try_parse_from(["zephyr", "dev", "--edges", "17"]).is_err());
        // For another host in front of the origin.
        assert!(Cli::try_parse_from(["zephyr", "dev", "--edges", "0"]).is_ok());
    }
}

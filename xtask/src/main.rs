//! `cargo xtask`: set-up, development, tests and checks, in Rust instead of shell scripts.
//!
//! * `cargo xtask dev` -- brings everything up on this machine, PostgreSQL too; with `--host`, the
//!   edge on wrangler or Spin.
//! * `cargo xtask build` -- builds the edge for a host that is not our own node.
//! * `cargo xtask test` -- the same set-up, then all tests.
//! * `cargo xtask check` -- what a program can verify of the project's rules.
//! * `cargo xtask bench` -- compares the edge node with nginx.
//! * `cargo xtask setup` -- only the set-up that the others share.
//!
//! This crate compiles first on a fresh machine, so it has few dependencies, and says what it does
//! from its first second on. What runs in the end is the `zephyr` binary; see `cli/src/dev.rs`.

mod bench;
mod build;
mod check;
mod components;
mod dev;
mod process;
mod progress;
mod test;
mod toolchain;
mod tools;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::process::Failed;
use crate::workspace::Workspace;

/// Development commands of Zephyr.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build everything and run PostgreSQL, the origin and edge nodes until Ctrl-C
    Dev(dev::Args),
    /// Build the edge for another host, to its folder below `edge`, and check its size
    Build(build::Args),
    /// Set everything up and run all tests
    Test(test::Args),
    /// Verify formatting, lints, documentation, layering and dependencies
    Check(check::Args),
    /// Compare the edge node with nginx and Varnish and write target/bench/latest.json
    Bench(bench::Args),
    /// Install the wasm targets and build the components, nothing else
    Setup,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref::<Failed>() {
            // The command has said what is wrong; its exit code is the answer.
            Some(failed) => {
                progress::line(&format!("failed: {failed}"));
                ExitCode::from(failed.code)
            }
            None => {
                progress::line(&format!("error: {error:#}"));
                ExitCode::FAILURE
            }
        },
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let workspace = Workspace::load()?;
    match cli.command {
        Command::Dev(args) => dev::run(&workspace, &args),
        Command::Build(args) => build::run(&workspace, &args),
        Command::Test(args) => test::run(&workspace, &args),
        Command::Check(args) => check::run(&workspace, &args),
        Command::Bench(args) => bench::run(&workspace, &args),
        Command::Setup => components::prepare(&workspace, components::All),
    }
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
    fn test_arguments_pass_through_with_their_hyphens() {
        let cli = Cli::try_parse_from(["xtask", "test", "-p", "zephyr-kv", "redis"]).unwrap();
        let Command::Test(args) = cli.command else {
            panic!("not test")
        };
        assert_eq!(args.runner, ["-p", "zephyr-kv", "redis"]);
    }
}

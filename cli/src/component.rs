//! `zephyr component`: what is done with components outside of a node.

mod embed;
mod export;

use clap::Subcommand;

/// Options of `zephyr component`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a filter as a component that other hosts run
    Export(export::Args),
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    match &args.command {
        Command::Export(args) => export::run(args),
    }
}

//! `zephyr cache`: what a cache makes of answers.

mod explain;
mod fetch;

use clap::Subcommand;

/// Options of `zephyr cache`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a request and tell whether its answer is stored, for how long, and why
    Explain(explain::Args),
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    match &args.command {
        Command::Explain(args) => explain::run(args),
    }
}

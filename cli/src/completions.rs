//! `zephyr completions <shell>`: a completion script on standard output.

use std::io::Write as _;

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;

/// Options of `zephyr completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  zephyr completions bash > ~/.local/share/bash-completion/completions/zephyr
  zephyr completions fish > ~/.config/fish/completions/zephyr.fish
  zephyr completions zsh  > a file _zephyr in a folder of $fpath")]
pub(crate) struct Args {
    /// For which shell
    shell: Shell,
}

/// Prints the script.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut crate::Cli::command(),
        "zephyr",
        &mut script,
    );
    std::io::stdout()
        .write_all(&script)
        .context("writing the script")
}

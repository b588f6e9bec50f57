//! `cargo xtask dev`: builds what is needed, then becomes `zephyr dev`.
//!
//! The process is replaced, as cargo replaced itself by this one. So a whole development set-up is
//! one process with PostgreSQL below it, and a signal to it needs no forwarding.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::Context as _;

use crate::workspace::Workspace;
use crate::{components, process, progress};

#[path = "../../cli/src/dev/options.rs"]
mod options;
#[path = "../../cli/src/dev/ports.rs"]
mod ports;

/// Options of `cargo xtask dev`; those of `zephyr dev`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    options: options::Options,
}

/// Does not return but for an error.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> anyhow::Result<()> {
    // A taken port is said now, not after the build; `zephyr dev` looks again.
    ports::Ports::plan(&args.options)?.check()?;
    components::prepare(workspace, components::Product)?;
    progress::step("building the zephyr binary", || {
        // `--workspace` resolves the same features as the tests, so that both share what is built.
        process::run(
            workspace
                .cargo()
                .args(["build", "--workspace", "--bin", "zephyr"]),
        )
    })?;

    let mut command = Command::new(workspace.target.join("debug/zephyr"));
    command
        .arg("dev")
        // Parsed above by the same code, so they can go on as they are.
        .args(std::env::args_os().skip(2))
        .arg("--config")
        .arg(workspace.root.join("zephyr.toml"))
        .arg("--components")
        .arg(workspace.components());
    if args.options.data.is_none() {
        command.arg("--data").arg(workspace.root.join(".zephyr"));
    }
    let error = command.exec();
    Err(error).with_context(|| format!("could not start {}", command.get_program().display()))
}

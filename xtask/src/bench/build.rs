//! The node under test.

use std::path::PathBuf;

use crate::workspace::Workspace;
use crate::{process, progress};

/// Builds the `zephyr` program.
pub(crate) fn node(workspace: &Workspace, debug: bool) -> anyhow::Result<()> {
    let title = if debug {
        "building zephyr with debug settings"
    } else {
        "building zephyr for release (takes minutes the first time)"
    };
    progress::step(title, || {
        let mut command = workspace.cargo();
        command.args(["build", "--package", "zephyr-cli"]);
        if !debug {
            command.arg("--release");
        }
        process::run(&mut command)
    })
}

/// Where it is.
pub(crate) fn program(workspace: &Workspace, debug: bool) -> anyhow::Result<PathBuf> {
    let folder = if debug { "debug" } else { "release" };
    let program = workspace.target.join(folder).join("zephyr");
    anyhow::ensure!(
        program.is_file(),
        "there is no {}: run without --no-build",
        program.display()
    );
    Ok(program)
}

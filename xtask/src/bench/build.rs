//! What is measured, built.

use std::path::PathBuf;

use crate::workspace::Workspace;
use crate::{process, progress};

/// Builds the `zephyr` program, and the store's example that compares hit ratios.
pub(crate) fn programs(workspace: &Workspace, debug: bool) -> anyhow::Result<()> {
    let title = if debug {
        "building zephyr with debug settings"
    } else {
        "building zephyr for release (takes minutes the first time)"
    };
    progress::step(title, || {
        build(workspace, debug, &["--package", "zephyr-cli"])?;
        // By itself: what the example's tests depend on would have the WebAssembly compiler built
        // anew with other features.
        build(
            workspace,
            debug,
            &["--package", "zephyr-store", "--example", "zipf"],
        )
    })
}

fn build(workspace: &Workspace, debug: bool, what: &[&str]) -> anyhow::Result<()> {
    let mut command = workspace.cargo();
    command.arg("build").args(what);
    if !debug {
        command.arg("--release");
    }
    process::run(&mut command)
}

/// Where one of them is, by its path in the folder of its profile.
pub(crate) fn program(workspace: &Workspace, debug: bool, name: &str) -> anyhow::Result<PathBuf> {
    let folder = if debug { "debug" } else { "release" };
    let program = workspace.target.join(folder).join(name);
    anyhow::ensure!(
        program.is_file(),
        "there is no {}: run without --no-build",
        program.display()
    );
    Ok(program)
}

//! The edge as a component for Spin.

use std::fs;

use anyhow::Context as _;

use super::size;
use crate::workspace::Workspace;
use crate::{components, process, progress, toolchain};

const FOLDER: &str = "edge/spin";

/// The raw size: Spin compiles the component on the machine that runs it.
const LIMIT: u64 = 2 << 20;

/// Builds `edge/spin/build/zephyr_edge_spin.wasm`.
pub(crate) fn build(workspace: &Workspace) -> anyhow::Result<()> {
    let package = workspace.package_in(FOLDER)?;
    let library = package
        .library()
        .with_context(|| format!("{} has no library", package.name))?;
    toolchain::ensure(workspace)?;
    super::check_site(workspace)?;
    progress::step("building the component for Spin", || {
        let mut command = workspace.cargo();
        command
            .args(["build", "--profile=linked", "--lib", "--package"])
            .args([&package.name, "--target", components::TARGET]);
        process::run(&mut command)
    })?;

    let file = format!("{library}.wasm");
    let built = workspace.target.join(components::TARGET).join("linked");
    let folder = workspace.root.join(FOLDER).join("build");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let to = folder.join(&file);
    components::install(&built.join(&file), &to)?;

    let raw = size::raw(&to)?;
    progress::line(&format!("{FOLDER}/build/{file}: {}", size::kib(raw)));
    size::check("the component for Spin", raw, LIMIT)
}

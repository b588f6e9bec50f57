//! The edge as a component in Spin, or where that is not installed, in our own host for its
//! manifests.

use std::process::Command;

use super::children::Children;
use super::options::Options;
use super::origin::Origin;
use crate::build::spin;
use crate::workspace::Workspace;
use crate::{process, progress};

/// The application's manifest, at the workspace's root.
const MANIFEST: &str = "spin.toml";

/// Ends with Ctrl-C, or with the first process that ends.
pub(super) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    let manifest = workspace.root.join(MANIFEST);
    anyhow::ensure!(manifest.is_file(), "there is no {}", manifest.display());
    spin::build(workspace)?;
    super::build_zephyr(workspace)?;

    let mut children = Children::new()?;
    let Some(origin) = Origin::start(workspace, options, &mut children)? else {
        return Ok(());
    };
    let mut command = if process::exists("spin") {
        let mut command = Command::new("spin");
        command.args(["up", "-f", MANIFEST]);
        command
    } else {
        progress::line(
            "spin is not on PATH (get it from https://spinframework.dev); running the same \
             component and manifest on Zephyr's own node",
        );
        let mut command = Command::new(workspace.target.join("debug/zephyr"));
        command.args(["spin", "--manifest", MANIFEST]);
        command
    };
    command
        .current_dir(&workspace.root)
        .arg("--listen")
        .arg(format!("127.0.0.1:{}", options.edge_port))
        .env("SPIN_VARIABLE_ORIGIN_URL", &origin.url)
        .env("SPIN_VARIABLE_EDGE_TOKEN", &origin.token);
    children.start("spin", command)?;
    progress::line(&format!(
        "the component serves http://127.0.0.1:{}; Ctrl-C stops all",
        options.edge_port
    ));
    children.wait()
}

//! `cargo xtask bench`: the hook for the benchmark; see the module's own files below `bench/`.

use crate::components;
use crate::workspace::Workspace;

/// Options of `cargo xtask bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Builds what the benchmark measures.
pub(crate) fn run(workspace: &Workspace, _args: &Args) -> anyhow::Result<()> {
    components::prepare(workspace, components::All)
}

//! `cargo xtask build`: the edge for a host that is not our own node.
//!
//! * `worker` -- `edge/worker/build/index.js` and `index_bg.wasm`, for Cloudflare ([`worker`]).
//! * `spin` -- `edge/spin/build/zephyr_edge_spin.wasm`, for Spin ([`spin`]).
//!
//! Each has a limit on its [`size`]: what grows beyond it starts slowly on the host, or not at all.

mod imports;
mod size;
pub(crate) mod spin;
pub(crate) mod worker;

use std::path::PathBuf;

use crate::process;
use crate::workspace::Workspace;

/// Options of `cargo xtask build`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The host to build for
    #[arg(value_enum)]
    host: Host,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Host {
    /// Cloudflare Workers, and `wrangler dev` on this machine
    Worker,
    /// Spin
    Spin,
}

/// Builds and says the sizes.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> anyhow::Result<()> {
    match args.host {
        Host::Worker => worker::build(workspace).map(drop),
        Host::Spin => spin::build(workspace),
    }
}

/// Has `zephyr.toml` judged by the code that will run it on these hosts.
fn check_site(workspace: &Workspace) -> anyhow::Result<()> {
    let file = std::env::var_os("ZEPHYR_CONFIG");
    let file = file.map_or_else(|| workspace.root.join("zephyr.toml"), PathBuf::from);
    let mut command = workspace.cargo();
    command
        .args([
            "run",
            "--quiet",
            "--package=zephyr-edge-portable",
            "--bin=check-site",
            "--",
        ])
        .arg(file);
    process::run(&mut command)
}

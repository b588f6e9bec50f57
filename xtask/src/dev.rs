//! `cargo xtask dev`: builds what is needed, then runs it until Ctrl-C.
//!
//! * `--host node` -- our own edge node: becomes `zephyr dev` ([`node`]).
//! * `--host wrangler` -- the worker in Cloudflare's runtime, before the same origin ([`wrangler`]).
//! * `--host spin` -- the component in Spin, before the same origin ([`spin`]).

mod children;
mod cron;
mod node;
mod origin;
mod spin;
mod wrangler;

use crate::process;
use crate::progress;
use crate::workspace::Workspace;

#[path = "../../cli/src/dev/options.rs"]
mod options;
#[path = "../../cli/src/dev/ports.rs"]
mod ports;

/// Options of `cargo xtask dev`: those of `zephyr dev`, and what the edge runs on.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What the edge runs on
    #[arg(long, value_enum, default_value_t = Host::Node)]
    host: Host,

    #[command(flatten)]
    options: options::Options,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Host {
    /// Zephyr's own edge node
    Node,
    /// Cloudflare's runtime on this machine, through wrangler
    Wrangler,
    /// Spin, or where that is not installed Zephyr's own node as its stand-in
    Spin,
}

/// Returns for the hosts whose processes are our children, when they have ended.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> anyhow::Result<()> {
    let mut listening = args.options.clone();
    if args.host != Host::Node {
        check_options(&args.options)?;
        listening.edge_admin_port = 0; // only our own node has such a listener
    }
    // A taken port is said now, not after the build; `zephyr dev` looks again.
    ports::Ports::plan(&listening)?.check()?;
    match args.host {
        Host::Node => node::run(workspace, &args.options),
        Host::Wrangler => wrangler::run(workspace, &args.options),
        Host::Spin => spin::run(workspace, &args.options),
    }
}

/// What can be asked of our own node only.
fn check_options(options: &options::Options) -> anyhow::Result<()> {
    anyhow::ensure!(
        options.edges == 1,
        "--edges is for `--host node`; other hosts run one edge"
    );
    anyhow::ensure!(
        options.edge_port != 0 && options.origin_port != 0,
        "--edge-port 0 and --origin-port 0 are for `--host node`; another host must be told where \
         it listens and where the origin is"
    );
    Ok(())
}

fn build_zephyr(workspace: &Workspace) -> anyhow::Result<()> {
    progress::step("building the zephyr binary", || {
        // `--workspace` resolves the same features as the tests, so that both share what is built.
        process::run(
            workspace
                .cargo()
                .args(["build", "--workspace", "--bin", "zephyr"]),
        )
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn parse(words: &[&str]) -> Args {
        Cli::parse_from(std::iter::once("dev").chain(words.iter().copied())).args
    }

    #[test]
    fn our_own_node_is_the_default() {
        assert_eq!(parse(&[]).host, Host::Node);
        assert_eq!(parse(&["--host=spin"]).host, Host::Spin);
    }

    #[test]
    fn other_hosts_run_one_edge_on_a_known_port() {
        check_options(&parse(&["--edge-port", "7000"]).options).unwrap();
        for words in [
            ["--edges", "2"],
            ["--edge-port", "0"],
            ["--origin-port", "0"],
        ] {
            check_options(&parse(&words).options).unwrap_err();
        }
    }
}

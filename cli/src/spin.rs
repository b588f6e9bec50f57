//! `zephyr spin`: a Spin application on an edge node, until it is asked to stop.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zephyr_edge::config::{KvBackend, Target};
use zephyr_edge::spin::{Manifest, Options, to_config};
use zephyr_edge::{Config, Options as NodeOptions};

use crate::{edge, exit};

const AFTER_HELP: &str = "\
Values of the application's variables are read from the environment: SPIN_VARIABLE_<NAME>.
What of the manifest is not supported is refused with its line.";

/// Options of `zephyr spin`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The application's manifest, of version 2
    #[arg(long, short = 'f', value_name = "FILE", default_value = "spin.toml")]
    manifest: PathBuf,

    /// Where to take requests
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,

    /// Where to serve health and metrics [default: nowhere]
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<SocketAddr>,

    /// Worker threads; 0: one per core
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    threads: usize,

    /// Where key-value stores are kept
    #[arg(long, value_enum, default_value_t = Kv::File)]
    kv: Kv,

    /// Compiled components and key-value stores [default: `.zephyr/spin` beside the manifest]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Print a line on standard output for each request
    #[arg(long)]
    access_log: bool,

    /// Read the manifest, say whether it is right, and start nothing
    #[arg(long)]
    check: bool,
}

/// Where key-value stores are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kv {
    /// In a file in the data folder
    File,
    /// In memory, until the node stops
    Memory,
}

/// Reads the manifest, and runs a node unless only a check was asked for.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let config = config(args, std::env::vars_os())?;
    edge::require_components(&config)?;
    if args.check {
        return edge::report(&args.manifest, &config);
    }
    for route in &config.routes {
        if let (Some(trigger), Target::Service(component)) = (&route.spin, &route.target) {
            let route = trigger.raw();
            tracing::info!(route, component, "{route} is answered by {component}");
        }
    }
    let again = args.clone();
    let options = NodeOptions {
        reread: Some(Arc::new(move || self::config(&again, std::env::vars_os()))),
        ..NodeOptions::default()
    };
    crate::runtime()?.block_on(edge::serve(config, options))
}

fn config(
    args: &Args,
    environment: impl Iterator<Item = (std::ffi::OsString, std::ffi::OsString)>,
) -> anyhow::Result<Config> {
    let manifest = Manifest::load(&args.manifest).map_err(exit::usage)?;
    // A name or value that is not UTF-8 cannot be one of the application's.
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    let environment = environment.filter_map(text).collect();
    let data_dir = args.data_dir.clone().unwrap_or_else(|| {
        let folder = args.manifest.parent().unwrap_or(Path::new("."));
        folder.join(".zephyr/spin")
    });
    let options = Options {
        listen: args.listen,
        admin: args.admin,
        threads: args.threads,
        data_dir,
        kv: match args.kv {
            Kv::File => KvBackend::Redb,
            Kv::Memory => KvBackend::Memory,
        },
        access_log: args.access_log,
    };
    to_config(&manifest, &environment, &options).map_err(exit::usage)
}

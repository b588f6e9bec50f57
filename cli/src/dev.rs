//! `zephyr dev`: PostgreSQL, the origin and edge nodes in one process tree, until Ctrl-C.
//!
//! [`stack`] starts the parts in order and stops them in reverse; [`banner`] says what is where.
//! What must survive a stop lies in one data folder: the database, keys, tokens.

mod banner;
mod data;
mod edges;
mod options;
mod ports;
mod stack;

use std::path::PathBuf;
use std::time::Instant;

use secrecy::SecretString;

use crate::edge::Components;
use crate::exit;
use crate::signals::Signals;
use data::DataFolder;
use options::Options;
use ports::Ports;
use stack::Stack;

/// Options of `zephyr dev`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    options: Options,

    /// The edge nodes' configuration; ports, names and the origin's address are set by `dev`
    /// [default: zephyr.toml in this folder, or else the one built in]
    #[arg(long, value_name = "FILE", env = "ZEPHYR_CONFIG")]
    config: Option<PathBuf>,

    #[command(flatten)]
    components: Components,

    /// A running PostgreSQL to use instead of a private one
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true, value_parser = crate::secret::parse)]
    database_url: Option<SecretString>,

    /// The admin API's token [default: a random one, kept in the data folder]
    #[arg(long, value_name = "TOKEN", env = "ZEPHYR_ADMIN_TOKEN", hide_env_values = true, value_parser = crate::secret::parse)]
    admin_token: Option<SecretString>,
}

/// Starts everything, waits for a signal, stops everything.
pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let ports = Ports::plan(&args.options).map_err(exit::usage)?;
    ports.check().map_err(exit::usage)?;
    crate::runtime()?.block_on(serve(args, ports))
}

async fn serve(args: Args, ports: Ports) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut signals = Signals::catch()?;
    let folder = args
        .options
        .data
        .clone()
        .unwrap_or_else(|| ".zephyr".into());
    let data = DataFolder::open(&folder)?;

    let mut stack = Stack::default();
    let outcome = tokio::select! {
        outcome = stack.start(&args, &ports, &data) => outcome.map(Some),
        signal = signals.next() => {
            banner::line(&format!("{signal} during the start"));
            Ok(None)
        }
    };
    let outcome = match outcome {
        Ok(Some(running)) => {
            banner::show(&running, start.elapsed());
            let signal = tokio::select! {
                signal = signals.next() => signal,
                never = stack.supervise() => match never {},
            };
            banner::line(&format!(
                "{signal}: stopping; once more to not wait for open requests"
            ));
            Ok(())
        }
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    stack.stop(&mut signals).await;
    outcome
}

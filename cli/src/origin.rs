//! `zephyr origin`: the origin server, until it is asked to stop.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use secrecy::SecretString;
use zephyr_origin::{Config, Server};

use crate::migrate::Database;
use crate::secret;
use crate::signals::Signals;

/// Options of `zephyr origin`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to listen; edge nodes reach it there, clients should not
    #[arg(
        long,
        value_name = "ADDR:PORT",
        env = "ZEPHYR_ORIGIN_LISTEN",
        default_value = "127.0.0.1:8081"
    )]
    listen: SocketAddr,

    #[command(flatten)]
    database: Database,

    /// Opens the admin API
    #[arg(long, value_name = "TOKEN", env = "ZEPHYR_ADMIN_TOKEN", hide_env_values = true, value_parser = secret::parse)]
    admin_token: SecretString,

    /// With which edge nodes join
    #[arg(long, value_name = "TOKEN", env = "ZEPHYR_EDGE_TOKEN", hide_env_values = true, value_parser = secret::parse)]
    edge_token: SecretString,

    /// The file with the key that signs access tokens; made on the first start
    #[arg(long, value_name = "FILE", env = "ZEPHYR_SIGNING_KEY")]
    signing_key: PathBuf,

    /// Bring the schema up to date first
    #[arg(long)]
    migrate: bool,
}

/// Runs the server.
pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    crate::runtime()?.block_on(serve(args))
}

async fn serve(args: Args) -> anyhow::Result<()> {
    let mut signals = Signals::catch()?;
    if args.migrate {
        crate::migrate::up(&args.database.url).await?;
    }
    let config = Config {
        listen: args.listen,
        database_url: args.database.url,
        admin_token: args.admin_token,
        edge_token: args.edge_token,
        signing_key: args.signing_key,
        ..Config::default()
    };
    let server = Server::start(config)
        .await
        .context("the origin could not start")?;
    tracing::info!(origin.http = %server.addr(), "Origin listens on {}", server.addr());

    let signal = signals.next().await;
    tracing::info!("{signal}: finishing open requests");
    tokio::select! {
        () = server.shutdown() => {}
        signal = signals.next() => tracing::warn!("{signal} again: not waiting for open requests"),
    }
    Ok(())
}

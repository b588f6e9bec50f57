//! `zephyr migrate`: brings the database's schema up to date.

use std::time::Duration;

use anyhow::Context as _;
use secrecy::SecretString;
use zephyr_db::{Db, DbOptions};

use crate::{exit, secret};

/// Which database.
#[derive(Debug, clap::Args)]
pub(crate) struct Database {
    /// postgres://user:password@host/database
    #[arg(long = "database-url", value_name = "URL", env = "DATABASE_URL", hide_env_values = true, value_parser = secret::parse)]
    pub(crate) url: SecretString,
}

/// Options of `zephyr migrate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    database: Database,
}

/// Applies what is missing; nothing when nothing is.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    crate::runtime()?.block_on(up(&args.database.url))
}

/// Applies what is missing in the database at `url`.
pub(crate) async fn up(url: &SecretString) -> anyhow::Result<()> {
    let db = open(url)?;
    let outcome = zephyr_db::migrate(db.write())
        .await
        .context("migrating the database");
    db.close().await;
    outcome
}

/// Pools for one command's work, which may take longer than a request.
pub(crate) fn open(url: &SecretString) -> anyhow::Result<Db> {
    let mut options = DbOptions::new(url.clone());
    options.max_connections = 4;
    options.acquire_timeout = Duration::from_secs(10);
    options.statement_timeout = Duration::from_secs(600);
    Db::lazy(&options).map_err(|error| exit::usage(format!("the database's URL: {error}")))
}

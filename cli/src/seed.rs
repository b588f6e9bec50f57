//! `zephyr seed`: listings to play with, the same on every run.

use std::io::Write as _;

use anyhow::Context as _;
use secrecy::SecretString;
use zephyr_origin::seed::{EMAIL, PASSWORD, SeedReport};

use crate::migrate::{self, Database};

/// Options of `zephyr seed`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    database: Database,

    /// How many listings there shall be
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    listings: u32,
}

/// Migrates and fills the database, and says what is in it now.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let url = &args.database.url;
    let report = crate::runtime()?.block_on(async {
        migrate::up(url).await?;
        fill(url, args.listings).await
    })?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{report:?}\nDemo user: {EMAIL} with password {PASSWORD}"
    )
    .context("writing")
}

/// Makes what is missing of the demo account and so many listings.
pub(crate) async fn fill(url: &SecretString, listings: u32) -> anyhow::Result<SeedReport> {
    let db = migrate::open(url)?;
    let outcome = zephyr_origin::seed::seed(&db, listings as usize).await;
    db.close().await;
    outcome
}

//! Sample data of all services.

use anyhow::Context as _;
use zephyr_auth::{Auth, SigningKeys};
use zephyr_db::Db;
use zephyr_listings::seed::SeedOptions;

pub use zephyr_auth::seed::{EMAIL, PASSWORD};
pub use zephyr_listings::seed::SeedReport;

/// Makes the demo account and so many listings. What is there stays as it is.
///
/// # Errors
///
/// The database is away.
pub async fn seed(db: &Db, listings: usize) -> anyhow::Result<SeedReport> {
    let keys = SigningKeys::ephemeral().map_err(anyhow::Error::msg)?;
    let auth = Auth::new(db.clone(), &keys).context("a signing key")?;
    zephyr_auth::seed::seed(&auth)
        .await
        .context("making the demo account")?;
    let options = SeedOptions {
        listings,
        seller: zephyr_auth::seed::USER,
    };
    zephyr_listings::seed::seed(db, options)
        .await
        .context("making sample listings")
}

//! What runs beside requests.

use zephyr_db::DbError;

use crate::{Control, store};

/// Changes that are kept for nodes that were away.
const KEEP: i64 = 100_000;

/// Trims the change log and forgets nodes long gone; answers with how many changes went.
///
/// # Errors
///
/// The database is away.
pub async fn trim(control: &Control) -> Result<u64, DbError> {
    store::trim(&control.db, KEEP).await
}

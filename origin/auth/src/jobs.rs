//! What runs beside requests.

use zephyr_db::DbError;

use crate::{Auth, store};

/// Deletes sessions that ended; answers with how many.
///
/// # Errors
///
/// The database is away.
pub async fn sweep(auth: &Auth) -> Result<u64, DbError> {
    store::sweep(&auth.db).await
}

//! The demo account.

use uuid::{Uuid, uuid};
use zephyr_db::DbError;
use zephyr_origin_core::ApiError;

use crate::Auth;
use crate::store;

/// Its id.
pub const USER: Uuid = uuid!("019b7000-0000-7000-8000-000000000001");
/// Its address.
pub const EMAIL: &str = "demo@zephyr.example";
/// Its password. Everybody knows it: never seed a database that strangers reach.
pub const PASSWORD: &str = "demo-passphrase-please-change";

/// Makes the account unless it is there.
///
/// # Errors
///
/// The database is away.
pub async fn seed(auth: &Auth) -> Result<(), ApiError> {
    if store::account(&auth.db, EMAIL).await?.is_some() {
        return Ok(());
    }
    let hash = auth.passwords.hash(PASSWORD.to_owned()).await?;
    let mut tx = auth.db.begin().await?;
    store::insert_user(&mut tx, USER, EMAIL, "Demo", &hash).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(())
}

//! What runs beside requests.

use zephyr_db::DbError;

use crate::{Listings, events, store};

/// Deletes pictures that no listing has shown for a day, a bounded number of them; answers with how
/// many. Edges drop what they made of them.
///
/// # Errors
///
/// The database is away.
pub async fn sweep(listings: &Listings) -> Result<usize, DbError> {
    let mut tx = listings.db.begin().await?;
    let swept = store::sweep_pictures(&mut tx).await?;
    if !swept.is_empty() {
        let event = events::pictures_deleted(&swept);
        events::OUTBOX.publish(&mut tx, &event).await?;
    }
    tx.commit().await?;
    Ok(swept.len())
}

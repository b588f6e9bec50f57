//! All SQL of this service, but the search's.

mod pictures;
mod search;

pub(crate) use pictures::{
    add_picture, categories, insert_picture, listing_pictures, picture_bytes, remove_picture,
};
pub(crate) use search::search;

use sqlx::{FromRow, PgTransaction};
use time::OffsetDateTime;
use uuid::Uuid;
use zephyr_db::{Db, DbError};

use crate::model::{Attributes, NewListing, Status};

/// A listing's row.
#[derive(Debug, FromRow)]
pub(crate) struct Listing {
    pub(crate) id: Uuid,
    pub(crate) seller_id: Uuid,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) category: String,
    pub(crate) price: i64,
    pub(crate) currency: String,
    pub(crate) attributes: sqlx::types::Json<Attributes>,
    pub(crate) status: Status,
    pub(crate) version: i64,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) updated_at: OffsetDateTime,
}

pub(crate) async fn insert(
    tx: &mut PgTransaction<'_>,
    id: Uuid,
    seller: Uuid,
    new: &NewListing,
) -> Result<Listing, DbError> {
    let listing = sqlx::query_as(
        "insert into listings.listings
             (id, seller_id, title, description, category, price, currency, attributes, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, now(), now())
         returning id, seller_id, title, description, category, price, currency, attributes, status,
             version, created_at, updated_at",
    )
    .bind(id)
    .bind(seller)
    .bind(&new.title)
    .bind(&new.description)
    .bind(&new.category)
    .bind(new.price.amount)
    .bind(new.price.currency.as_str())
    .bind(sqlx::types::Json(&new.attributes))
    .fetch_one(&mut **tx)
    .await?;
    Ok(listing)
}

pub(crate) async fn read(db: &Db, id: Uuid) -> Result<Option<Listing>, DbError> {
    let listing = sqlx::query_as(
        "select id, seller_id, title, description, category, price, currency, attributes, status,
             version, created_at, updated_at
         from listings.listings where id = $1",
    )
    .bind(id)
    .fetch_optional(db.read())
    .await?;
    Ok(listing)
}

/// The listing, locked until the transaction ends.
pub(crate) async fn lock(tx: &mut PgTransaction<'_>, id: Uuid) -> Result<Option<Listing>, DbError> {
    let listing = sqlx::query_as(
        "select id, seller_id, title, description, category, price, currency, attributes, status,
             version, created_at, updated_at
         from listings.listings where id = $1 for update",
    )
    .bind(id)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(listing)
}

/// Writes a changed listing; version and time move on.
pub(crate) async fn update(
    tx: &mut PgTransaction<'_>,
    listing: &Listing,
) -> Result<Listing, DbError> {
    let listing = sqlx::query_as(
        "update listings.listings
         set title = $2, description = $3, category = $4, price = $5, currency = $6, attributes = $7,
             status = $8, version = version + 1, updated_at = now()
         where id = $1
         returning id, seller_id, title, description, category, price, currency, attributes, status,
             version, created_at, updated_at",
    )
    .bind(listing.id)
    .bind(&listing.title)
    .bind(&listing.description)
    .bind(&listing.category)
    .bind(listing.price)
    .bind(&listing.currency)
    .bind(&listing.attributes)
    .bind(listing.status)
    .fetch_one(&mut **tx)
    .await?;
    Ok(listing)
}

pub(crate) async fn delete(tx: &mut PgTransaction<'_>, id: Uuid) -> Result<(), DbError> {
    sqlx::query("delete from listings.listings where id = $1")
        .bind(id)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

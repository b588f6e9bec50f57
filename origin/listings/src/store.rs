//! All SQL of this service, but the search's.

mod pictures;
mod search;

pub(crate) use pictures::{
    Added, add_picture, has_picture, insert_picture, picture_bytes, remove_picture, sweep_pictures,
};
pub(crate) use search::search;

use serde::Deserialize;
use sqlx::{FromRow, PgExecutor, PgTransaction};
use time::OffsetDateTime;
use uuid::Uuid;
use zephyr_db::{Db, DbError};

use crate::model::{Attributes, NewListing, Rules, Status};
use crate::views::CategoryView;

/// A listing's row, and its pictures as of the same moment: both are what its version stands for.
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
    pub(crate) images: sqlx::types::Json<Vec<StoredImage>>,
}

/// A picture of a listing.
#[derive(Debug, Deserialize)]
pub(crate) struct StoredImage {
    pub(crate) id: String,
    pub(crate) width: i32,
    pub(crate) height: i32,
}

/// A statement with the columns of [`Listing`] of the table `l` in its middle.
macro_rules! listing {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            " l.id, l.seller_id, l.title, l.description, l.category, l.price, l.currency, l.attributes,
              l.status, l.version, l.created_at, l.updated_at,
              coalesce((select json_agg(json_build_object('id', i.id, 'width', i.width, 'height', i.height)
                                        order by s.position)
                        from listings.listing_images s join listings.images i on i.id = s.image_id
                        where s.listing_id = l.id), '[]') as images ",
            $after
        )
    };
}

pub(crate) async fn insert(
    tx: &mut PgTransaction<'_>,
    id: Uuid,
    seller: Uuid,
    new: &NewListing,
) -> Result<Listing, DbError> {
    let listing = sqlx::query_as(listing!(
        "insert into listings.listings as l
             (id, seller_id, title, description, category, price, currency, attributes, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, now(), now())
         returning",
        ""
    ))
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
    let listing = sqlx::query_as(listing!(
        "select",
        "from listings.listings l where l.id = $1"
    ))
    .bind(id)
    .fetch_optional(db.read())
    .await?;
    Ok(listing)
}

/// The listing, locked until the transaction ends.
pub(crate) async fn lock(tx: &mut PgTransaction<'_>, id: Uuid) -> Result<Option<Listing>, DbError> {
    let listing = sqlx::query_as(listing!(
        "select",
        "from listings.listings l where l.id = $1 for update"
    ))
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
    let listing = sqlx::query_as(listing!(
        "update listings.listings l
         set title = $2, description = $3, category = $4, price = $5, currency = $6, attributes = $7,
             status = $8, version = version + 1, updated_at = now()
         where id = $1
         returning",
        ""
    ))
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

/// What a category says about its listings' attributes; none when there is no such category.
pub(crate) async fn rules(
    db: impl PgExecutor<'_>,
    category: &str,
) -> Result<Option<Rules>, DbError> {
    let rules: Option<sqlx::types::Json<Rules>> =
        sqlx::query_scalar("select attributes from listings.categories where slug = $1")
            .bind(category)
            .fetch_optional(db)
            .await?;
    Ok(rules.map(|rules| rules.0))
}

/// The category tree, parents before their children.
pub(crate) async fn categories(db: &Db) -> Result<Vec<CategoryView>, DbError> {
    let categories = sqlx::query_as(
        "select c.slug, c.name, c.parent, c.attributes
         from listings.categories c left join listings.categories p on p.slug = c.parent
         order by coalesce(p.position, c.position), p.slug nulls first, c.position",
    )
    .fetch_all(db.read())
    .await?;
    Ok(categories)
}

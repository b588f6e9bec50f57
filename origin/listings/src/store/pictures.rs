//! Pictures and categories.

use sqlx::PgTransaction;
use uuid::Uuid;
use zephyr_db::{Db, DbError};

use crate::picture::Picture;
use crate::views::{CategoryView, ImageView};

/// A picture's bytes, stored once.
pub(crate) async fn insert_picture(
    tx: &mut PgTransaction<'_>,
    picture: &Picture,
    bytes: &[u8],
) -> Result<(), DbError> {
    sqlx::query(
        "insert into listings.images (id, media_type, width, height, bytes)
         values ($1, $2, $3, $4, $5) on conflict do nothing",
    )
    .bind(&picture.id)
    .bind(picture.media_type)
    .bind(picture.width)
    .bind(picture.height)
    .bind(bytes)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Puts a picture behind a listing's others; false when there is no room for it.
pub(crate) async fn add_picture(
    tx: &mut PgTransaction<'_>,
    listing: Uuid,
    picture: &str,
) -> Result<bool, DbError> {
    let done = sqlx::query(
        "insert into listings.listing_images (listing_id, position, image_id)
         select $1, free, $2 from generate_series(0, 9) free
         where not exists (select from listings.listing_images
                           where listing_id = $1 and position = free)
         order by free limit 1
         on conflict (listing_id, image_id) do update set image_id = excluded.image_id",
    )
    .bind(listing)
    .bind(picture)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes a picture off a listing, and away when no other shows it; false when it was not there.
pub(crate) async fn remove_picture(
    tx: &mut PgTransaction<'_>,
    listing: Uuid,
    picture: &str,
) -> Result<bool, DbError> {
    let done =
        sqlx::query("delete from listings.listing_images where listing_id = $1 and image_id = $2")
            .bind(listing)
            .bind(picture)
            .execute(&mut **tx)
            .await?;
    Ok(done.rows_affected() == 1)
}

pub(crate) async fn listing_pictures(db: &Db, listing: Uuid) -> Result<Vec<ImageView>, DbError> {
    let rows: Vec<(String, i32, i32)> = sqlx::query_as(
        "select i.id, i.width, i.height
         from listings.listing_images l join listings.images i on i.id = l.image_id
         where l.listing_id = $1 order by l.position",
    )
    .bind(listing)
    .fetch_all(db.write())
    .await?;
    Ok(rows
        .into_iter()
        .map(|(id, width, height)| ImageView::new(id, width, height))
        .collect())
}

/// Media type and bytes.
pub(crate) async fn picture_bytes(db: &Db, id: &str) -> Result<Option<(String, Vec<u8>)>, DbError> {
    let picture = sqlx::query_as("select media_type, bytes from listings.images where id = $1")
        .bind(id)
        .fetch_optional(db.read())
        .await?;
    Ok(picture)
}

pub(crate) async fn categories(db: &Db) -> Result<Vec<CategoryView>, DbError> {
    let categories = sqlx::query_as(
        "select c.slug, c.name, c.parent
         from listings.categories c left join listings.categories p on p.slug = c.parent
         order by coalesce(p.position, c.position), p.slug nulls first, c.position",
    )
    .fetch_all(db.read())
    .await?;
    Ok(categories)
}

//! Pictures: stored once, shown by any number of listings.

use sqlx::PgTransaction;
use uuid::Uuid;
use zephyr_db::{Db, DbError};

use crate::picture::Picture;

/// The most pictures that a sweep deletes: one event names them all.
const SWEEP: i64 = 100;

/// A picture's bytes, stored once. Its time is when it was last uploaded, which keeps the sweep off it
/// until a listing shows it.
pub(crate) async fn insert_picture(
    tx: &mut PgTransaction<'_>,
    picture: &Picture,
    bytes: &[u8],
) -> Result<(), DbError> {
    sqlx::query(
        "insert into listings.images (id, media_type, width, height, bytes)
         values ($1, $2, $3, $4, $5) on conflict (id) do update set created_at = now()",
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

/// What became of a picture for a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// It is the listing's last now.
    Last,
    /// The listing showed it before.
    Already,
    /// There is no room for it.
    Full,
}

/// Puts a picture behind a listing's others. The listing is locked.
pub(crate) async fn add_picture(
    tx: &mut PgTransaction<'_>,
    listing: Uuid,
    picture: &str,
) -> Result<Added, DbError> {
    let (already, next): (bool, i16) = sqlx::query_as(
        "select coalesce(bool_or(image_id = $2), false), coalesce(max(position) + 1, 0)::smallint
         from listings.listing_images where listing_id = $1",
    )
    .bind(listing)
    .bind(picture)
    .fetch_one(&mut **tx)
    .await?;
    if already {
        return Ok(Added::Already);
    }
    if next > 9 {
        return Ok(Added::Full);
    }
    sqlx::query(
        "insert into listings.listing_images (listing_id, position, image_id) values ($1, $2, $3)",
    )
    .bind(listing)
    .bind(next)
    .bind(picture)
    .execute(&mut **tx)
    .await?;
    Ok(Added::Last)
}

/// Takes a picture off a listing, and moves those behind it up; false when it was not there. The
/// listing is locked. The picture itself goes with the sweep, when no other listing shows it.
pub(crate) async fn remove_picture(
    tx: &mut PgTransaction<'_>,
    listing: Uuid,
    picture: &str,
) -> Result<bool, DbError> {
    let behind: Vec<(i16, String)> = sqlx::query_as(
        "delete from listings.listing_images l
         using listings.listing_images gone
         where gone.listing_id = $1 and gone.image_id = $2
             and l.listing_id = $1 and l.position >= gone.position
         returning l.position, l.image_id",
    )
    .bind(listing)
    .bind(picture)
    .fetch_all(&mut **tx)
    .await?;
    if behind.is_empty() {
        return Ok(false);
    }
    let (positions, images): (Vec<i16>, Vec<String>) = behind
        .into_iter()
        .filter(|(_, image)| image != picture)
        .map(|(position, image)| (position - 1, image))
        .unzip();
    sqlx::query(
        "insert into listings.listing_images (listing_id, position, image_id)
         select $1, position, image from unnest($2::smallint[], $3::text[]) as t (position, image)",
    )
    .bind(listing)
    .bind(positions)
    .bind(images)
    .execute(&mut **tx)
    .await?;
    Ok(true)
}

/// Whether a picture is there.
pub(crate) async fn has_picture(db: &Db, id: &str) -> Result<bool, DbError> {
    let there = sqlx::query_scalar("select exists (select from listings.images where id = $1)")
        .bind(id)
        .fetch_one(db.read())
        .await?;
    Ok(there)
}

/// Media type and bytes.
pub(crate) async fn picture_bytes(db: &Db, id: &str) -> Result<Option<(String, Vec<u8>)>, DbError> {
    let picture = sqlx::query_as("select media_type, bytes from listings.images where id = $1")
        .bind(id)
        .fetch_optional(db.read())
        .await?;
    Ok(picture)
}

/// Deletes pictures that no listing has shown for a day; answers with their ids.
pub(crate) async fn sweep_pictures(tx: &mut PgTransaction<'_>) -> Result<Vec<String>, DbError> {
    // One that is uploaded again meanwhile is locked, and skipped.
    let swept = sqlx::query_scalar(
        "delete from listings.images where id in (
             select id from listings.images i
             where created_at < now() - interval '1 day'
                 and not exists (select from listings.listing_images where image_id = i.id)
             limit $1 for update skip locked)
         returning id",
    )
    .bind(SWEEP)
    .fetch_all(&mut **tx)
    .await?;
    Ok(swept)
}

//! Sample data: the same on every run, whatever the machine.

mod pictures;
mod random;
mod words;

use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use zephyr_db::{Db, DbError};

use crate::picture::{self, Picture};
use crate::store;
use random::Random;
use words::Kind;

/// Listings written per statement.
const BATCH: usize = 1000;
/// Sellers among whom the listings are spread.
const SELLERS: usize = 200;
/// 2026-01-01T00:00:00Z, when the first listing was published.
const EPOCH: i64 = 1_767_225_600;

/// What to make.
#[derive(Clone, Copy, Debug)]
pub struct SeedOptions {
    /// How many listings.
    pub listings: usize,
    /// Whose every two-hundredth listing is.
    pub seller: Uuid,
}

/// What there is now.
#[derive(Clone, Copy, Debug)]
pub struct SeedReport {
    /// Listings made by this run.
    pub listings: u64,
    /// Pictures that the listings share.
    pub pictures: usize,
}

/// Why there is no sample data.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A picture could not be made.
    #[error("a sample picture: {0}")]
    Picture(#[from] image::ImageError),
}

impl From<sqlx::Error> for SeedError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error.into())
    }
}

/// One batch, column by column.
#[derive(Default)]
struct Rows {
    ids: Vec<Uuid>,
    sellers: Vec<Uuid>,
    titles: Vec<String>,
    descriptions: Vec<String>,
    categories: Vec<&'static str>,
    prices: Vec<i64>,
    attributes: Vec<Value>,
    times: Vec<OffsetDateTime>,
    picture_listings: Vec<Uuid>,
    picture_positions: Vec<i16>,
    picture_ids: Vec<String>,
}

/// Makes sample listings. Those that are there already stay as they are, changed or not.
///
/// # Errors
///
/// The database is away.
pub async fn seed(db: &Db, options: SeedOptions) -> Result<SeedReport, SeedError> {
    if is_there(db, options.listings).await? {
        return Ok(SeedReport {
            listings: 0,
            pictures: pictures::COUNT,
        });
    }
    let made = tokio::task::spawn_blocking(pictures::make_all)
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
    let mut tx = db.begin().await?;
    let mut pictures = Vec::with_capacity(made.len());
    for bytes in &made {
        let Ok(picture) = picture::inspect(bytes) else {
            continue;
        };
        store::insert_picture(&mut tx, &picture, bytes).await?;
        pictures.push(picture);
    }
    tx.commit().await?;

    let mut random = Random::new(0x005a_e970);
    let mut sellers: Vec<Uuid> = (0..SELLERS).map(|_| random.uuid(EPOCH)).collect();
    sellers[0] = options.seller;
    let mut listings = 0;
    for start in (0..options.listings).step_by(BATCH) {
        let mut rows = Rows::default();
        for index in start..options.listings.min(start + BATCH) {
            row(&mut rows, index, &sellers, &pictures);
        }
        listings += write(db, &rows).await?;
    }
    // The first searches must not be planned for empty tables.
    for table in [
        "analyze listings.listings",
        "analyze listings.listing_images",
    ] {
        sqlx::query(table).execute(db.write()).await?;
    }
    Ok(SeedReport {
        listings,
        pictures: pictures.len(),
    })
}

/// Whether all these listings are there, so that nothing need be made.
async fn is_there(db: &Db, listings: usize) -> Result<bool, DbError> {
    let ids: Vec<Uuid> = (0..listings).map(|index| begin(index).2).collect();
    let there: i64 =
        sqlx::query_scalar("select count(*) from listings.listings where id = any($1)")
            .bind(&ids)
            .fetch_one(db.write())
            .await?;
    Ok(usize::try_from(there).is_ok_and(|there| there == listings))
}

/// A listing's generator, which makes it the same whatever comes before it, what kind of thing it is,
/// and its id.
fn begin(index: usize) -> (Random, &'static Kind, Uuid) {
    let mut random = Random::new(0x1157_0000 + index as u64);
    let kind = random.pick(&words::KINDS);
    let id = random.uuid(published(index));
    (random, kind, id)
}

/// When a listing was published, in seconds since the Unix epoch: every forty minutes one.
fn published(index: usize) -> i64 {
    EPOCH + 2400 * index as i64
}

fn row(rows: &mut Rows, index: usize, sellers: &[Uuid], pictures: &[Picture]) {
    let (mut random, kind, id) = begin(index);
    let (adjective, brand, color) = (
        random.pick(&words::ADJECTIVES),
        random.pick(&words::BRANDS),
        random.pick(&words::COLORS),
    );
    let thing = random.pick(kind.things);
    let year = 2005 + random.below(21);
    rows.ids.push(id);
    rows.sellers.push(sellers[index % sellers.len()]);
    rows.titles
        .push(format!("{adjective} {color} {thing} by {brand}"));
    rows.descriptions.push(format!(
        "{} {} {} Bought in {year}.",
        random.pick(&words::OPENINGS),
        random.pick(kind.details),
        random.pick(&words::CLOSINGS),
    ));
    rows.categories.push(kind.category);
    // Prices people write: most end in 0, some in 99.
    let units = kind.price.0 + random.below(kind.price.1 - kind.price.0);
    let price = if random.below(4) == 0 {
        units * 100 - 1
    } else {
        units / 5 * 500
    };
    rows.prices.push(price.max(100) as i64);
    let condition = random.pick(&words::CONDITIONS);
    rows.attributes.push(json!({
        "brand": brand, "color": color, "condition": condition, "year": year,
        "shipping": random.below(3) > 0,
    }));
    rows.times.push(time(published(index)));
    let first = random.below(pictures.len() as u64) as usize;
    for position in 0..1 + random.below(3) as usize {
        rows.picture_listings.push(id);
        rows.picture_positions.push(position as i16);
        rows.picture_ids
            .push(pictures[(first + 5 * position) % pictures.len()].id.clone());
    }
}

fn time(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::seconds(seconds)
}

/// Sample data is not news: it goes without events.
async fn write(db: &Db, rows: &Rows) -> Result<u64, DbError> {
    let mut tx = db.begin().await?;
    let made: Vec<Uuid> = sqlx::query_scalar(
        "insert into listings.listings
             (id, seller_id, title, description, category, price, currency, attributes, created_at, updated_at)
         select id, seller, title, description, category, price, 'EUR', attributes, at, at
         from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::jsonb[],
                     $8::timestamptz[])
              as t (id, seller, title, description, category, price, attributes, at)
         on conflict do nothing
         returning id",
    )
    .bind(&rows.ids)
    .bind(&rows.sellers)
    .bind(&rows.titles)
    .bind(&rows.descriptions)
    .bind(&rows.categories)
    .bind(&rows.prices)
    .bind(&rows.attributes)
    .bind(&rows.times)
    .fetch_all(&mut *tx)
    .await?;
    sqlx::query(
        "insert into listings.listing_images (listing_id, position, image_id)
         select listing, position, image
         from unnest($1::uuid[], $2::smallint[], $3::text[]) as t (listing, position, image)
         where listing = any($4)
         on conflict do nothing",
    )
    .bind(&rows.picture_listings)
    .bind(&rows.picture_positions)
    .bind(&rows.picture_ids)
    .bind(&made)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(made.len() as u64)
}

//! Use cases.

use http::{HeaderMap, HeaderValue, StatusCode};
use sqlx::PgTransaction;
use uuid::Uuid;
use zephyr_db::{Db, DbError};
use zephyr_http::conditional::{self, IfMatch};
use zephyr_http::idempotency::{Answer, Attempt};
use zephyr_http::tags;
use zephyr_origin_core::{ApiError, Identity, Money, Page, new_id};

use crate::events;
use crate::model::{self, Changes, NewListing, SearchQuery, Status};
use crate::picture;
use crate::store::{self, Listing};
use crate::views::{CategoryView, ImageView, ListingView, SummaryView};

/// What a token must allow for writes.
const SCOPE: &str = "listings:write";

/// The service.
#[derive(Clone, Debug)]
pub struct Listings {
    db: Db,
}

impl Listings {
    /// The service over a database.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db }
    }

    pub(crate) async fn search(&self, query: &SearchQuery) -> Result<Page<SummaryView>, ApiError> {
        Ok(store::search(&self.db, query).await?)
    }

    pub(crate) async fn categories(&self) -> Result<Vec<CategoryView>, ApiError> {
        Ok(store::categories(&self.db).await?)
    }

    /// A listing that anybody may read.
    pub(crate) async fn read(&self, id: Uuid) -> Result<ListingView, ApiError> {
        let listing = store::read(&self.db, id).await?;
        let listing = listing.filter(|listing| listing.status != Status::Withdrawn);
        self.view(listing.ok_or_else(no_listing)?).await
    }

    /// Makes a listing, once per idempotency key.
    pub(crate) async fn create(
        &self,
        identity: &Identity,
        new: NewListing,
        attempt: Option<Attempt>,
    ) -> Result<Answer, ApiError> {
        identity.require(SCOPE)?;
        let new = new.checked()?;
        let mut tx = self.db.begin().await?;
        if let Some(attempt) = &attempt
            && let Some(answer) = attempt.begin(&mut tx).await?
        {
            return Ok(answer);
        }
        let id = new_id();
        let listing = store::insert(&mut tx, id, identity.subject, &new)
            .await
            .map_err(category)?;
        publish(&mut tx, "created", &listing).await?;
        let view = view(listing, Vec::new())?;
        let mut headers = written(id, view.version);
        let location = HeaderValue::from_str(&format!("/api/listings/{id}"));
        headers.insert(
            http::header::LOCATION,
            location.map_err(ApiError::internal)?,
        );
        let answer = Answer::json(StatusCode::CREATED, headers, &view)?;
        if let Some(attempt) = &attempt {
            attempt.finish(&mut tx, &answer).await?;
        }
        tx.commit().await.map_err(DbError::from)?;
        tracing::info!(listing.id = %id, seller.id = %identity.subject, "Published listing {id}");
        Ok(answer)
    }

    /// Changes a listing that has not changed since its writer read it.
    pub(crate) async fn change(
        &self,
        identity: &Identity,
        id: Uuid,
        if_match: &IfMatch,
        changes: Changes,
    ) -> Result<ListingView, ApiError> {
        let changes = changes.checked()?;
        let mut tx = self.db.begin().await?;
        let mut listing = self.lock_own(&mut tx, identity, id).await?;
        if_match.check(&conditional::etag(listing.version))?;
        if let Some(title) = changes.title {
            listing.title = title;
        }
        if let Some(description) = changes.description {
            listing.description = description;
        }
        if let Some(category) = changes.category {
            listing.category = category;
        }
        if let Some(price) = changes.price {
            listing.price = price.amount;
            listing.currency = price.currency.into();
        }
        if let Some(attributes) = changes.attributes {
            listing.attributes.0.merge(attributes);
            let mut errors = zephyr_origin_core::FieldErrors::default();
            listing.attributes.0.check(false, &mut errors);
            errors.into_result()?;
        }
        if let Some(status) = changes.status {
            listing.status = status;
        }
        let listing = store::update(&mut tx, &listing).await.map_err(category)?;
        publish(&mut tx, "updated", &listing).await?;
        tx.commit().await.map_err(DbError::from)?;
        self.view(listing).await
    }

    /// Deletes a listing that has not changed since.
    pub(crate) async fn delete(
        &self,
        identity: &Identity,
        id: Uuid,
        if_match: &IfMatch,
    ) -> Result<(), ApiError> {
        let mut tx = self.db.begin().await?;
        let listing = self.lock_own(&mut tx, identity, id).await?;
        if_match.check(&conditional::etag(listing.version))?;
        store::delete(&mut tx, id).await?;
        publish(&mut tx, "deleted", &listing).await?;
        tx.commit().await.map_err(DbError::from)?;
        Ok(())
    }

    /// Adds a picture to a listing.
    pub(crate) async fn add_picture(
        &self,
        identity: &Identity,
        id: Uuid,
        bytes: &[u8],
    ) -> Result<(ImageView, i64), ApiError> {
        let picture = picture::inspect(bytes)?;
        let mut tx = self.db.begin().await?;
        let listing = self.lock_own(&mut tx, identity, id).await?;
        store::insert_picture(&mut tx, &picture, bytes).await?;
        if !store::add_picture(&mut tx, id, &picture.id).await? {
            return Err(ApiError::conflict(
                "The listing has ten pictures, the most it can have.",
            ));
        }
        let listing = store::update(&mut tx, &listing).await?;
        publish(&mut tx, "updated", &listing).await?;
        tx.commit().await.map_err(DbError::from)?;
        let view = ImageView::new(picture.id, picture.width, picture.height);
        Ok((view, listing.version))
    }

    /// Takes a picture off a listing.
    pub(crate) async fn remove_picture(
        &self,
        identity: &Identity,
        id: Uuid,
        picture: &str,
    ) -> Result<i64, ApiError> {
        let mut tx = self.db.begin().await?;
        let listing = self.lock_own(&mut tx, identity, id).await?;
        if !store::remove_picture(&mut tx, id, picture).await? {
            return Err(ApiError::not_found(
                "The listing does not show this picture.",
            ));
        }
        let listing = store::update(&mut tx, &listing).await?;
        publish(&mut tx, "updated", &listing).await?;
        tx.commit().await.map_err(DbError::from)?;
        Ok(listing.version)
    }

    /// A picture as it was uploaded.
    pub(crate) async fn picture(&self, id: &str) -> Result<(String, Vec<u8>), ApiError> {
        let found = if picture::is_id(id) {
            store::picture_bytes(&self.db, id).await?
        } else {
            None
        };
        found.ok_or_else(|| ApiError::not_found("There is no such picture."))
    }

    async fn lock_own(
        &self,
        tx: &mut PgTransaction<'_>,
        identity: &Identity,
        id: Uuid,
    ) -> Result<Listing, ApiError> {
        identity.require(SCOPE)?;
        let listing = store::lock(tx, id).await?.ok_or_else(no_listing)?;
        if listing.seller_id != identity.subject {
            return Err(ApiError::forbidden("Only its seller may change a listing."));
        }
        Ok(listing)
    }

    async fn view(&self, listing: Listing) -> Result<ListingView, ApiError> {
        let images = store::listing_pictures(&self.db, listing.id).await?;
        view(listing, images)
    }
}

/// ETag and invalidation of an answer to a write.
pub(crate) fn written(id: Uuid, version: i64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(http::header::ETAG, conditional::etag(version));
    headers.insert(
        http::header::CACHE_CONTROL,
        HeaderValue::from_static("no-store"),
    );
    tags::invalidate(&mut headers, &events::stale_keys(id));
    headers
}

fn no_listing() -> ApiError {
    ApiError::not_found("There is no such listing.")
}

/// A category that is not there is the client's mistake.
fn category(error: DbError) -> ApiError {
    match error.foreign_key_violation() {
        Some("listings_category_fkey") => model::unknown_category(),
        _ => error.into(),
    }
}

async fn publish(tx: &mut PgTransaction<'_>, what: &str, listing: &Listing) -> Result<(), DbError> {
    events::OUTBOX
        .publish(tx, &events::listing(what, listing.id, listing.seller_id))
        .await
}

fn view(listing: Listing, images: Vec<ImageView>) -> Result<ListingView, ApiError> {
    let currency = listing.currency.parse().map_err(ApiError::internal)?;
    Ok(ListingView {
        id: listing.id,
        seller_id: listing.seller_id,
        title: listing.title,
        description: listing.description,
        category: listing.category,
        price: Money {
            amount: listing.price,
            currency,
        },
        attributes: listing.attributes.0,
        status: listing.status,
        images,
        created_at: listing.created_at,
        updated_at: listing.updated_at,
        version: listing.version,
    })
}

//! Use cases.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use sqlx::PgTransaction;
use uuid::Uuid;
use zephyr_db::{Db, DbError};
use zephyr_http::Fields;
use zephyr_http::conditional::{self, IfMatch};
use zephyr_http::idempotency::{Answer, Attempt};
use zephyr_http::tags;
use zephyr_origin_core::{ApiError, Identity, Money, Page, new_id};

use crate::events;
use crate::model::{AttributeChanges, Category, Changes, NewListing, SearchQuery, Status, is_slug};
use crate::picture;
use crate::store::{self, Added, Listing};
use crate::views::{CategoryView, ImageView, ListingView, SummaryView};

/// What a token must allow for writes.
const SCOPE: &str = "listings:write";

/// The service.
#[derive(Clone, Debug)]
pub struct Listings {
    pub(crate) db: Db,
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
        view(listing.ok_or_else(no_listing)?)
    }

    /// Makes a listing, once per idempotency key.
    pub(crate) async fn create(
        &self,
        identity: &Identity,
        mut fields: Fields,
        attempt: Option<Attempt>,
    ) -> Result<Answer, ApiError> {
        identity.require(SCOPE)?;
        let slug = fields.required("category");
        let category = self.category(&mut fields, slug).await?;
        let new = NewListing::read(fields, category)?;
        let mut tx = self.db.begin().await?;
        if let Some(attempt) = &attempt
            && let Some(answer) = attempt.begin(&mut tx).await?
        {
            return Ok(answer);
        }
        let id = new_id();
        let listing = store::insert(&mut tx, id, identity.subject, &new).await?;
        publish(&mut tx, "created", &listing).await?;
        let view = view(listing)?;
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
        mut fields: Fields,
    ) -> Result<ListingView, ApiError> {
        identity.require(SCOPE)?;
        let slug = fields.optional("category");
        let category = self.category(&mut fields, slug).await?;
        let changes = Changes::read(fields, category.as_ref())?;
        let mut tx = self.db.begin().await?;
        let mut listing = self.lock_own(&mut tx, identity, id).await?;
        if_match.check(&conditional::etag(listing.version))?;
        let suits = category.is_some() || changes.attributes.is_some();
        apply(&mut listing, changes);
        if suits {
            // What is there already must suit a new category too.
            let rules = match category {
                Some(category) => category.rules,
                None => store::rules(&mut *tx, &listing.category)
                    .await?
                    .unwrap_or_default(),
            };
            let mut wrong = Fields::default();
            listing.attributes.0.check(&rules, &mut wrong);
            wrong.finish()?;
        }
        let listing = store::update(&mut tx, &listing).await?;
        publish(&mut tx, "updated", &listing).await?;
        tx.commit().await.map_err(DbError::from)?;
        view(listing)
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

    /// Adds a picture to a listing. Adding one that it shows already changes nothing.
    pub(crate) async fn add_picture(
        &self,
        identity: &Identity,
        id: Uuid,
        bytes: Bytes,
    ) -> Result<(Added, ImageView, i64), ApiError> {
        // Megabytes are hashed.
        let inspected = tokio::task::spawn_blocking({
            let bytes = bytes.clone();
            move || picture::inspect(&bytes)
        });
        let picture = inspected.await.map_err(ApiError::internal)??;
        let mut tx = self.db.begin().await?;
        let listing = self.lock_own(&mut tx, identity, id).await?;
        store::insert_picture(&mut tx, &picture, &bytes).await?;
        let added = store::add_picture(&mut tx, id, &picture.id).await?;
        let version = match added {
            Added::Already => listing.version,
            Added::Full => {
                return Err(ApiError::conflict(
                    "The listing has ten pictures, the most it can have.",
                ));
            }
            Added::Last => {
                let listing = store::update(&mut tx, &listing).await?;
                publish(&mut tx, "updated", &listing).await?;
                listing.version
            }
        };
        tx.commit().await.map_err(DbError::from)?;
        let view = ImageView::new(picture.id, picture.width, picture.height);
        Ok((added, view, version))
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
        let shown = picture::is_id(picture) && store::remove_picture(&mut tx, id, picture).await?;
        if !shown {
            return Err(ApiError::not_found(
                "The listing does not show this picture.",
            ));
        }
        let listing = store::update(&mut tx, &listing).await?;
        publish(&mut tx, "updated", &listing).await?;
        tx.commit().await.map_err(DbError::from)?;
        Ok(listing.version)
    }

    /// A picture as it was uploaded: its media type and bytes.
    pub(crate) async fn picture(&self, id: &str) -> Result<Option<(String, Vec<u8>)>, ApiError> {
        Ok(store::picture_bytes(&self.db, id).await?)
    }

    /// Whether a picture is there.
    pub(crate) async fn has_picture(&self, id: &str) -> Result<bool, ApiError> {
        Ok(store::has_picture(&self.db, id).await?)
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

    /// The category of that slug; that there is none is noted beside what else is wrong.
    async fn category(
        &self,
        fields: &mut Fields,
        slug: Option<String>,
    ) -> Result<Option<Category>, ApiError> {
        let Some(slug) = slug else {
            return Ok(None);
        };
        let rules = if is_slug(&slug) {
            store::rules(self.db.read(), &slug).await?
        } else {
            None
        };
        let there = "is not the slug of a category; see /api/listings/categories";
        fields.check(rules.is_some(), "category", there);
        Ok(rules.map(|rules| Category { slug, rules }))
    }
}

fn apply(listing: &mut Listing, changes: Changes) {
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
    match changes.attributes {
        Some(AttributeChanges::Clear) => listing.attributes.0 = Default::default(),
        Some(AttributeChanges::Merge(changes)) => listing.attributes.0.merge(changes),
        None => {}
    }
    if let Some(status) = changes.status {
        listing.status = status;
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

async fn publish(tx: &mut PgTransaction<'_>, what: &str, listing: &Listing) -> Result<(), DbError> {
    events::OUTBOX
        .publish(tx, &events::listing(what, listing.id, listing.seller_id))
        .await
}

fn view(listing: Listing) -> Result<ListingView, ApiError> {
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
        images: listing.images.0.into_iter().map(ImageView::from).collect(),
        created_at: listing.created_at,
        updated_at: listing.updated_at,
        version: listing.version,
    })
}

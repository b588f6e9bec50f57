//! Marketplace listings: catalogue, search and pictures.
//!
//! Routes:
//!
//! * `GET /api/listings` -- search, with filters and cursor pages.
//! * `POST /api/listings` -- a new listing (`Idempotency-Key`).
//! * `GET|PATCH|DELETE /api/listings/{id}` -- one listing; writes need `If-Match`.
//! * `GET /api/listings/categories` -- the category tree.
//! * `POST /api/listings/{id}/images`, `DELETE /api/listings/{id}/images/{image}` -- its pictures.
//! * `GET /media/{image}` -- a picture as it was uploaded; the edge resizes.
//!
//! Events out: `listing.created`, `listing.updated`, `listing.deleted`, each
//! `{listing_id, seller_id, surrogate_keys}`, and `listing.images_deleted` `{images, surrogate_keys}`,
//! when pictures are deleted that no listing has shown for a day. Events in: none.
//! Tables (schema `listings`): `listings`, `categories`, `images`, `listing_images`, `outbox`.
//!
//! Answers to searches are tagged `listing-search`, one listing `listing-<id>`, a picture
//! `image-<id>`. A write drops the first two, on the node it came through before it is answered
//! (RFC 9875) and on all others through the event.

mod app;
pub mod events;
pub mod jobs;
mod model;
mod picture;
mod routes;
pub mod seed;
mod store;
mod views;

pub use app::Listings;

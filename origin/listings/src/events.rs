//! Events of this service, and the surrogate keys that go with them.

use serde_json::json;
use uuid::Uuid;
use zephyr_db::outbox::Outbox;
use zephyr_origin_core::Event;

/// Where they are written.
pub const OUTBOX: Outbox = zephyr_db::outbox!("listings");

/// The surrogate key of every search.
pub(crate) const SEARCH_KEY: &str = "listing-search";

/// The surrogate key of one listing.
pub(crate) fn listing_key(id: Uuid) -> String {
    format!("listing-{id}")
}

/// What a write to a listing makes stale.
pub(crate) fn stale_keys(id: Uuid) -> [String; 2] {
    [SEARCH_KEY.to_owned(), listing_key(id)]
}

/// The surrogate key of a picture, in all the sizes that edges make of it.
pub(crate) fn picture_key(id: &str) -> String {
    format!("image-{id}")
}

/// Pictures were deleted, because no listing shows them.
pub(crate) fn pictures_deleted(ids: &[String]) -> Event {
    let keys: Vec<String> = ids.iter().map(|id| picture_key(id)).collect();
    let payload = json!({ "images": ids, "surrogate_keys": keys });
    Event::new("listing.images_deleted", "images", payload)
}

/// Something happened to a listing: `created`, `updated` or `deleted`.
pub(crate) fn listing(what: &str, id: Uuid, seller: Uuid) -> Event {
    let payload = json!({
        "listing_id": id, "seller_id": seller, "surrogate_keys": stale_keys(id),
    });
    Event::new(format!("listing.{what}"), id.to_string(), payload)
}

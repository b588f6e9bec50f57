//! Events of this service.

use serde_json::json;
use uuid::Uuid;
use zephyr_db::outbox::Outbox;
use zephyr_origin_core::Event;

/// Where they are written.
pub const OUTBOX: Outbox = zephyr_db::outbox!("auth");

/// An account was made.
#[must_use]
pub fn registered(user: Uuid) -> Event {
    Event::new(
        "user.registered",
        user.to_string(),
        json!({ "user_id": user }),
    )
}

//! Ids: UUIDs of version 7 (RFC 9562, section 5.7), made here and not by the database, so that rows
//! made together lie together and an id is known before its row is.

use uuid::Uuid;

/// A new id; later ones sort behind earlier ones of the same process.
#[must_use]
pub fn new_id() -> Uuid {
    Uuid::now_v7()
}

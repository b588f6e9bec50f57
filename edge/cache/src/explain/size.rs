//! What an answer's size means for how it is stored.

use http::{StatusCode, header};

use super::{Finding, Seen};
use crate::part::Part;
use crate::{range, slices};

/// Larger answers are not stored as one piece, where nothing else is configured (`max_object_bytes`).
const LARGE: u64 = 16 << 20;

/// How a large answer is stored, if it is one.
pub(super) fn of(seen: &Seen<'_>) -> Option<Finding> {
    let complete = complete(seen).filter(|all| *all > LARGE)?;
    let placed = slices::placed(seen.request, seen.status, seen.response);
    let text = if placed.is_some() {
        format!(
            "It has {complete} bytes, more than is stored as one piece where nothing else is configured: it is kept in slices, by its strong tag, and later requests fetch those that lack."
        )
    } else {
        format!(
            "It has {complete} bytes, more than is stored as one piece where nothing else is configured, but it is not one of those that can be fetched in slices, which have a strong tag, tell their length and come in ranges: it passes through."
        )
    };
    Some(Finding::new("size", "RFC 9111, section 3.4", text))
}

/// Bytes of the whole.
fn complete(seen: &Seen<'_>) -> Option<u64> {
    if seen.status == StatusCode::PARTIAL_CONTENT {
        return Part::of(seen.request, seen.response)?.complete;
    }
    let length = seen.response.get(header::CONTENT_LENGTH)?;
    range::number(length.to_str().ok()?)
}

//! The table: what every host has to do.

mod auth;
mod caching;
mod input;
mod limits;
mod proxying;
mod revalidating;
mod writing;

use crate::case::Case;
use crate::tokens::Keys;

/// All cases.
pub(crate) fn all(keys: &Keys) -> Vec<Case> {
    [
        auth::cases(keys),
        limits::cases(keys),
        caching::cases(),
        revalidating::cases(),
        writing::cases(keys),
        proxying::cases(),
        input::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

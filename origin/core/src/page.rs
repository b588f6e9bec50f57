//! Pages of a list.

use serde::Serialize;
use utoipa::ToSchema;

use crate::FieldErrors;

/// One page, and where the next begins.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items, in the order asked for.
    pub items: Vec<T>,
    /// What to send as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// How much of a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageParams {
    /// Items on the page, 1 to 100.
    pub limit: u16,
}

impl PageParams {
    /// Items on a page when nothing is asked.
    pub const DEFAULT: u16 = 20;
    /// The most items on a page.
    pub const MAX: u16 = 100;

    /// Checks a `limit` parameter; a wrong one is noted under that name.
    pub fn check(limit: Option<i64>, errors: &mut FieldErrors) -> Self {
        let limit = limit.unwrap_or_else(|| i64::from(Self::DEFAULT));
        match u16::try_from(limit) {
            Ok(limit @ 1..=Self::MAX) => Self { limit },
            _ => {
                errors.add("limit", format!("must be 1 to {}", Self::MAX));
                Self {
                    limit: Self::DEFAULT,
                }
            }
        }
    }
}

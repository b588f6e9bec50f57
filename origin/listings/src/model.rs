//! What comes in, and its rules.

mod attributes;
mod query;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zephyr_origin_core::{ApiError, FieldErrors, Money};

pub(crate) use attributes::Attributes;
pub(crate) use query::{Position, SearchQuery, Sort};

/// The most that can be asked for anything: ten thousand million units of a currency with cents.
const MAX_PRICE: i64 = 1_000_000_000_000;

/// A new listing.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewListing {
    /// 3 to 120 characters.
    #[schema(example = "Steel touring bicycle", min_length = 3, max_length = 120)]
    pub(crate) title: String,
    /// At most 10,000 characters.
    #[serde(default)]
    #[schema(example = "Rides well, brakes well.", max_length = 10000)]
    pub(crate) description: String,
    /// The slug of a category.
    #[schema(example = "bicycles")]
    pub(crate) category: String,
    /// What it costs.
    pub(crate) price: Money,
    /// Facts: at most 32 texts, numbers and booleans.
    #[serde(default)]
    #[schema(value_type = Object, example = json!({"frame": "steel", "gears": 27}))]
    pub(crate) attributes: Attributes,
}

/// Changes to a listing, as a merge patch (RFC 7396): what is absent stays; an attribute that is
/// `null` goes.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Changes {
    /// 3 to 120 characters.
    #[schema(min_length = 3, max_length = 120)]
    pub(crate) title: Option<String>,
    /// At most 10,000 characters.
    #[schema(max_length = 10000)]
    pub(crate) description: Option<String>,
    /// The slug of a category.
    pub(crate) category: Option<String>,
    /// What it costs.
    pub(crate) price: Option<Money>,
    /// Attributes to set, or to remove by `null`.
    #[schema(value_type = Option<Object>)]
    pub(crate) attributes: Option<Attributes>,
    /// `active`, `sold` or `withdrawn`.
    pub(crate) status: Option<Status>,
}

/// Whether a listing can be bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub(crate) enum Status {
    /// It can, and searches find it.
    Active,
    /// It was; it can be read by its id.
    Sold,
    /// It cannot, and nobody finds it.
    Withdrawn,
}

impl NewListing {
    pub(crate) fn checked(mut self) -> Result<Self, ApiError> {
        let mut errors = FieldErrors::default();
        self.title = self.title.trim().to_owned();
        check_title(&self.title, &mut errors);
        check_description(&self.description, &mut errors);
        check_price(self.price, &mut errors);
        self.attributes.check(false, &mut errors);
        errors.into_result()?;
        Ok(self)
    }
}

impl Changes {
    pub(crate) fn checked(mut self) -> Result<Self, ApiError> {
        let mut errors = FieldErrors::default();
        if let Some(title) = &mut self.title {
            *title = title.trim().to_owned();
            check_title(title, &mut errors);
        }
        if let Some(description) = &self.description {
            check_description(description, &mut errors);
        }
        if let Some(price) = self.price {
            check_price(price, &mut errors);
        }
        if let Some(attributes) = &self.attributes {
            attributes.check(true, &mut errors);
        }
        errors.into_result()?;
        Ok(self)
    }
}

fn check_title(title: &str, errors: &mut FieldErrors) {
    let length = title.chars().count();
    errors.check(
        (3..=120).contains(&length),
        "title",
        "must be 3 to 120 characters long",
    );
    errors.check(
        !title.chars().any(char::is_control),
        "title",
        "must not hold control characters",
    );
}

fn check_description(description: &str, errors: &mut FieldErrors) {
    let length = description.chars().count();
    errors.check(
        length <= 10_000,
        "description",
        "must be at most 10,000 characters long",
    );
    errors.check(
        !description.contains('\0'),
        "description",
        "must not hold NUL characters",
    );
}

fn check_price(price: Money, errors: &mut FieldErrors) {
    let sane = (0..=MAX_PRICE).contains(&price.amount);
    errors.check(
        sane,
        "price.amount",
        "must be 0 to 1,000,000,000,000 minor units",
    );
}

/// 422 for a category that is not there.
pub(crate) fn unknown_category() -> ApiError {
    let mut errors = FieldErrors::default();
    errors.add(
        "category",
        "is not the slug of a category; see /api/listings/categories",
    );
    errors.into_result().expect_err("one error was added")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_wrong_fields_are_named() {
        let listing: NewListing = serde_json::from_value(serde_json::json!({
            "title": " x ", "description": "d".repeat(10_001), "category": "bicycles",
            "price": { "amount": -1, "currency": "EUR" },
            "attributes": { "Bad Key": 1, "nested": {} },
        }))
        .unwrap();
        let problem = listing.checked().unwrap_err().problem(None);
        let fields: Vec<_> = problem
            .errors
            .into_iter()
            .map(|error| error.field)
            .collect();
        assert_eq!(
            fields,
            [
                "title",
                "description",
                "price.amount",
                "attributes.Bad Key",
                "attributes.nested"
            ]
        );
    }
}

//! What comes in, and its rules.

mod attributes;
mod query;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zephyr_http::Fields;
use zephyr_origin_core::{ApiError, Money};

pub(crate) use attributes::{Attributes, Rule, Rules};
pub(crate) use query::{Position, SearchQuery, Sort};

/// The most that can be asked for anything: ten thousand million units of a currency with cents.
const MAX_PRICE: i64 = 1_000_000_000_000;

/// A new listing.
#[derive(Clone, Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewListing {
    /// 3 to 120 characters.
    #[schema(example = "Steel touring bicycle", min_length = 3, max_length = 120)]
    pub(crate) title: String,
    /// At most 10,000 characters.
    #[schema(
        example = "Rides well, brakes well.",
        max_length = 10000,
        required = false
    )]
    pub(crate) description: String,
    /// The slug of a category.
    #[schema(example = "bicycles")]
    pub(crate) category: String,
    /// What it costs.
    pub(crate) price: Money,
    /// Facts: at most 32 texts, numbers and booleans. The category says what some must be.
    #[schema(value_type = Object, required = false, example = json!({"frame": "steel", "gears": 27}))]
    pub(crate) attributes: Attributes,
}

/// Changes to a listing, as a merge patch (RFC 7396): what is absent stays, what is `null` goes, if a
/// listing can be without it: the description, and attributes, one or all.
#[derive(Clone, Debug, Default, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Changes {
    /// 3 to 120 characters.
    #[schema(value_type = String, required = false, min_length = 3, max_length = 120)]
    pub(crate) title: Option<String>,
    /// At most 10,000 characters.
    #[schema(max_length = 10000)]
    pub(crate) description: Option<String>,
    /// The slug of a category.
    #[schema(value_type = String, required = false)]
    pub(crate) category: Option<String>,
    /// What it costs.
    #[schema(value_type = Money, required = false)]
    pub(crate) price: Option<Money>,
    /// Attributes to set, or to remove by `null`.
    #[schema(value_type = Option<Object>, example = json!({"gears": 9, "frame": null}))]
    pub(crate) attributes: Option<AttributeChanges>,
    /// `active`, `sold` or `withdrawn`.
    #[schema(value_type = Status, required = false)]
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

/// Changes to a listing's attributes.
#[derive(Clone, Debug)]
pub(crate) enum AttributeChanges {
    /// All go.
    Clear,
    /// These are set; those that are `null` go.
    Merge(Attributes),
}

/// A category that is there, and what it says about attributes.
#[derive(Clone, Debug)]
pub(crate) struct Category {
    pub(crate) slug: String,
    pub(crate) rules: Rules,
}

impl NewListing {
    /// Reads the rest of a listing once its category is known; without one, what was wrong with it has
    /// been noted.
    pub(crate) fn read(mut fields: Fields, category: Option<Category>) -> Result<Self, ApiError> {
        let title = title(&mut fields, Fields::required);
        let description = description(&mut fields);
        let price = fields.object("price", price);
        let attributes = Attributes::take(&mut fields).unwrap_or_default();
        if let Some(category) = &category {
            attributes.check(&category.rules, &mut fields);
        }
        fields.finish()?;
        title
            .zip(price)
            .zip(category)
            .map(|((title, price), category)| Self {
                title,
                description: description.unwrap_or_default(),
                category: category.slug,
                price,
                attributes,
            })
            .ok_or_else(|| ApiError::internal("a missing field was not noted"))
    }
}

impl Changes {
    /// Reads the rest of a change, once the category it names is known.
    pub(crate) fn read(mut fields: Fields, category: Option<&Category>) -> Result<Self, ApiError> {
        let title = title(&mut fields, Fields::optional);
        let description = if is_null(&mut fields, "description") {
            Some(String::new())
        } else {
            description(&mut fields)
        };
        let price = if fields.has("price") {
            fields.object("price", price)
        } else {
            None
        };
        let attributes = if is_null(&mut fields, "attributes") {
            Some(AttributeChanges::Clear)
        } else {
            Attributes::take_changes(&mut fields).map(AttributeChanges::Merge)
        };
        if let (Some(AttributeChanges::Merge(changes)), Some(category)) = (&attributes, category) {
            changes.check(&category.rules, &mut fields);
        }
        let status = fields.optional("status");
        fields.finish()?;
        Ok(Self {
            title,
            description,
            category: category.map(|category| category.slug.clone()),
            price,
            attributes,
            status,
        })
    }
}

/// Takes the field if it is `null`.
fn is_null(fields: &mut Fields, name: &str) -> bool {
    fields.is_null(name) && fields.optional::<()>(name).is_some()
}

fn title(
    fields: &mut Fields,
    take: impl FnOnce(&mut Fields, &str) -> Option<String>,
) -> Option<String> {
    let title = take(fields, "title")?.trim().to_owned();
    let length = title.chars().count();
    fields.check(
        (3..=120).contains(&length),
        "title",
        "must be 3 to 120 characters long",
    );
    fields.check(
        !title.chars().any(char::is_control),
        "title",
        "must not hold control characters",
    );
    Some(title)
}

fn description(fields: &mut Fields) -> Option<String> {
    let description: String = fields.optional("description")?;
    let length = description.chars().count();
    fields.check(
        length <= 10_000,
        "description",
        "must be at most 10,000 characters long",
    );
    fields.check(
        !description.contains('\0'),
        "description",
        "must not hold NUL characters",
    );
    Some(description)
}

fn price(fields: &mut Fields) -> Option<Money> {
    let amount = fields.required("amount");
    let sane = amount.is_none_or(|amount| (0..=MAX_PRICE).contains(&amount));
    fields.check(sane, "amount", "must be 0 to 1,000,000,000,000 minor units");
    let currency = fields.required("currency");
    amount
        .zip(currency)
        .map(|(amount, currency)| Money { amount, currency })
}

/// Whether a text can be a category's slug, as the table's own check has it.
pub(crate) fn is_slug(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=40).contains(&text.len())
        && text.as_bytes()[0].is_ascii_lowercase()
        && text.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn fields(body: &Value) -> Fields {
        Fields::parse(body.to_string().as_bytes()).unwrap()
    }

    fn wrong<T: std::fmt::Debug>(result: Result<T, ApiError>) -> Vec<String> {
        let problem = result.unwrap_err().problem(None);
        let errors = problem.errors.into_iter();
        errors.map(|error| error.field).collect()
    }

    fn bicycles() -> Option<Category> {
        Some(Category {
            slug: "bicycles".to_owned(),
            rules: serde_json::from_value(json!({ "gears": "integer" })).unwrap(),
        })
    }

    #[test]
    fn all_wrong_fields_are_named() {
        let body = json!({
            "title": " x ", "description": "d".repeat(10_001),
            "price": { "amount": -1, "currency": "eur", "x": 1 },
            "attributes": { "Bad Key": 1, "gears": "many", "nested": {} }, "x": 1,
        });
        assert_eq!(
            wrong(NewListing::read(fields(&body), bicycles())),
            [
                "title",
                "description",
                "price.amount",
                "price.currency",
                "price.x",
                "attributes.Bad Key",
                "attributes.nested",
                "attributes.gears",
                "x"
            ]
        );
        assert_eq!(
            wrong(NewListing::read(fields(&json!({})), bicycles())),
            ["title", "price"]
        );
    }

    #[test]
    fn a_change_takes_away_only_what_can_be_missing() {
        let body = json!({ "description": null, "attributes": null });
        let changes = Changes::read(fields(&body), None).unwrap();
        assert_eq!(changes.description.as_deref(), Some(""));
        assert!(matches!(changes.attributes, Some(AttributeChanges::Clear)));
        assert!(changes.title.is_none() && changes.price.is_none());

        let body = json!({ "title": null, "price": null, "status": null, "attributes": [] });
        assert_eq!(
            wrong(Changes::read(fields(&body), None)),
            ["title", "price", "attributes", "status"]
        );
    }

    #[test]
    fn slugs() {
        assert!(is_slug("bicycles") && is_slug("a-1"));
        for text in ["", "-a", "1a", "A", "a b", "a\0", &"a".repeat(41)] {
            assert!(!is_slug(text), "{text:?}");
        }
    }
}

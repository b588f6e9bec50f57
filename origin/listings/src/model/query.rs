//! A search, as its parameters tell it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zephyr_http::Params;
use zephyr_origin_core::{ApiError, Currency, PageParams};

use super::attributes::is_name;
use super::is_slug;

/// 9999-12-31T23:59:59.999999Z, in microseconds since the Unix epoch.
const LAST_MICROSECOND: i64 = 253_402_300_799_999_999;

/// What is searched for.
#[derive(Debug)]
pub(crate) struct SearchQuery {
    /// Words, in the syntax of web search engines: `"a phrase"`, `or`, `-not`.
    pub(crate) words: Option<String>,
    /// A category, its children included.
    pub(crate) category: Option<String>,
    pub(crate) seller: Option<Uuid>,
    pub(crate) currency: Option<Currency>,
    pub(crate) min_price: Option<i64>,
    pub(crate) max_price: Option<i64>,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) sort: Sort,
    pub(crate) after: Option<Position>,
    pub(crate) page: PageParams,
}

/// The order of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    Relevance,
    Newest,
    PriceAsc,
    PriceDesc,
}

impl std::str::FromStr for Sort {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "relevance" => Ok(Self::Relevance),
            "newest" => Ok(Self::Newest),
            "price_asc" => Ok(Self::PriceAsc),
            "price_desc" => Ok(Self::PriceDesc),
            _ => Err("must be relevance, newest, price_asc or price_desc"),
        }
    }
}

/// The last listing of a page, in the terms of the order.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Position {
    Relevance(f32, Uuid),
    /// Microseconds since the Unix epoch.
    Newest(i64, Uuid),
    PriceAsc(i64, Uuid),
    PriceDesc(i64, Uuid),
}

impl Position {
    fn sort(self) -> Sort {
        match self {
            Self::Relevance(..) => Sort::Relevance,
            Self::Newest(..) => Sort::Newest,
            Self::PriceAsc(..) => Sort::PriceAsc,
            Self::PriceDesc(..) => Sort::PriceDesc,
        }
    }

    /// Whether a listing can stand there; the database has no times as far away as a number can say.
    fn is_possible(self) -> bool {
        match self {
            Self::Relevance(rank, _) => rank.is_finite(),
            Self::Newest(micros, _) => (0..=LAST_MICROSECOND).contains(&micros),
            Self::PriceAsc(price, _) | Self::PriceDesc(price, _) => price >= 0,
        }
    }
}

impl SearchQuery {
    /// Reads a search.
    ///
    /// # Errors
    ///
    /// 400 that names every wrong parameter.
    pub(crate) fn read(mut params: Params) -> Result<Self, ApiError> {
        let words = params
            .text("q")
            .map(|words| words.trim().to_owned())
            .filter(|w| !w.is_empty());
        if words
            .as_ref()
            .is_some_and(|words| words.chars().count() > 200 || words.contains('\0'))
        {
            params.wrong("q", "must be at most 200 characters long, without NUL");
        }
        let category = params.text("category");
        if category.as_deref().is_some_and(|slug| !is_slug(slug)) {
            params.wrong("category", "is not the slug of a category");
        }
        let seller = params.value("seller");
        let currency = params.value("currency");
        let min_price = params.value("min_price");
        let max_price = params.value("max_price");
        for (name, price) in [("min_price", min_price), ("max_price", max_price)] {
            if price.is_some_and(|price: i64| price < 0) {
                params.wrong(name, "must be 0 or more minor units");
            }
        }
        if (min_price.is_some() || max_price.is_some()) && currency.is_none() {
            params.wrong("currency", "must be given with min_price and max_price");
        }
        let attributes = params.prefixed("attr.");
        if attributes.len() > 8 {
            params.wrong("attr", "must be at most 8");
        }
        for (name, value) in &attributes {
            if !is_name(name) || value.chars().count() > 200 || value.contains('\0') {
                params.wrong(
                    &format!("attr.{name}"),
                    "is not an attribute's name and value",
                );
            }
        }
        let default = if words.is_some() {
            Sort::Relevance
        } else {
            Sort::Newest
        };
        let sort = params.value("sort").unwrap_or(default);
        if sort == Sort::Relevance && words.is_none() {
            params.wrong("sort", "can be relevance only with q");
        }
        let after: Option<Position> = params.cursor();
        if after.is_some_and(|after| !after.is_possible()) {
            params.wrong("cursor", "is not a cursor that this server gave out");
        } else if after.is_some_and(|after| after.sort() != sort) {
            params.wrong("cursor", "belongs to another order");
        }
        let page = params.page();
        params.finish()?;
        Ok(Self {
            words,
            category,
            seller,
            currency,
            min_price,
            max_price,
            attributes,
            sort,
            after,
            page,
        })
    }
}

#[cfg(test)]
mod tests {
    use zephyr_origin_core::Cursor;

    use super::*;

    #[test]
    fn wrong_parameters_are_all_named() {
        let query = "q=a&category=%00&min_price=-1&sort=best&attr.Bad=1&seller=x&foo=1";
        let problem = SearchQuery::read(Params::parse(query))
            .unwrap_err()
            .problem(None);
        let names: Vec<_> = problem
            .errors
            .into_iter()
            .map(|error| error.field)
            .collect();
        assert_eq!(
            names,
            [
                "category",
                "seller",
                "min_price",
                "currency",
                "attr.Bad",
                "sort",
                "foo"
            ]
        );
    }

    #[test]
    fn a_cursor_belongs_to_an_order() {
        let cursor = Cursor::encode(&Position::Newest(1, Uuid::nil())).into_string();
        assert!(SearchQuery::read(Params::parse(&format!("cursor={cursor}"))).is_ok());
        assert!(
            SearchQuery::read(Params::parse(&format!("sort=price_asc&cursor={cursor}"))).is_err()
        );
        assert!(SearchQuery::read(Params::parse("sort=relevance")).is_err());
        for impossible in [
            Position::Newest(i64::MIN, Uuid::nil()),
            Position::Newest(i64::MAX, Uuid::nil()),
            Position::Newest(-1, Uuid::nil()),
        ] {
            let cursor = Cursor::encode(&impossible).into_string();
            let read = SearchQuery::read(Params::parse(&format!("cursor={cursor}")));
            assert_eq!(read.unwrap_err().status(), 400, "{impossible:?}");
        }
    }
}

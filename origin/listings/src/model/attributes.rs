//! Attributes: a flat object of texts, numbers and booleans, and what a category says about them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use zephyr_http::Fields;

/// The most that a listing has, and the most that a change speaks of.
const MAX: usize = 32;
const MAX_TEXT: usize = 200;

/// Facts about a listing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Attributes(pub(crate) Map<String, Value>);

/// What a category says about its listings' attributes.
pub(crate) type Rules = BTreeMap<String, Rule>;

/// What one attribute must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Rule {
    /// Of a kind.
    Kind(Kind),
    /// One of these texts.
    OneOf(Vec<String>),
}

/// A kind of attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Text,
    Integer,
    Number,
    Boolean,
}

impl Attributes {
    /// Takes the attributes of a new listing.
    pub(crate) fn take(fields: &mut Fields) -> Option<Self> {
        Self::of(fields, |value| !value.is_null())
    }

    /// Takes the changes to a listing's attributes; `null` removes one.
    pub(crate) fn take_changes(fields: &mut Fields) -> Option<Self> {
        Self::of(fields, |_| true)
    }

    fn of(fields: &mut Fields, may_be: impl Fn(&Value) -> bool) -> Option<Self> {
        let attributes: Self = fields.optional("attributes")?;
        fields.check(
            attributes.0.len() <= MAX,
            "attributes",
            "must be at most 32",
        );
        for (name, value) in &attributes.0 {
            let wrong = if !is_name(name) {
                "must have a name of 1 to 40 characters a-z, 0-9 and _"
            } else if value.is_array() || value.is_object() || !may_be(value) {
                "must be a text, a number or a boolean"
            } else if value.as_str().is_some_and(|text| !is_text(text)) {
                "must be at most 200 characters long, without NUL"
            } else {
                continue;
            };
            fields.wrong(&field(name), wrong);
        }
        Some(attributes)
    }

    /// Notes what is not as the category says.
    pub(crate) fn check(&self, rules: &Rules, fields: &mut Fields) {
        // A change can add to what is there.
        fields.check(self.0.len() <= MAX, "attributes", "must be at most 32");
        for (name, value) in &self.0 {
            // What cannot be an attribute at all was noted when it was taken.
            let simple = value.is_string() || value.is_number() || value.is_boolean();
            if let Some(rule) = rules.get(name)
                && simple
                && !rule.allows(value)
            {
                fields.wrong(&field(name), rule.to_string());
            }
        }
    }

    /// Applies changes (RFC 7396).
    pub(crate) fn merge(&mut self, changes: Self) {
        for (name, value) in changes.0 {
            if value.is_null() {
                self.0.remove(&name);
            } else {
                self.0.insert(name, value);
            }
        }
    }
}

impl Rule {
    fn allows(&self, value: &Value) -> bool {
        match self {
            Self::Kind(Kind::Text) => value.is_string(),
            Self::Kind(Kind::Integer) => value.is_i64() || value.is_u64(),
            Self::Kind(Kind::Number) => value.is_number(),
            Self::Kind(Kind::Boolean) => value.is_boolean(),
            Self::OneOf(texts) => value
                .as_str()
                .is_some_and(|value| texts.iter().any(|text| text == value)),
        }
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("must be ")?;
        match self {
            Self::Kind(Kind::Text) => f.write_str("a text"),
            Self::Kind(Kind::Integer) => f.write_str("a whole number"),
            Self::Kind(Kind::Number) => f.write_str("a number"),
            Self::Kind(Kind::Boolean) => f.write_str("true or false"),
            Self::OneOf(texts) => write!(f, "one of {}", texts.join(", ")),
        }?;
        f.write_str(" in this category")
    }
}

fn field(name: &str) -> String {
    format!("attributes.{name}")
}

fn is_text(text: &str) -> bool {
    text.chars().count() <= MAX_TEXT && !text.contains('\0')
}

/// Whether a text can name an attribute.
pub(crate) fn is_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=40).contains(&name.len()) && name.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Attributes {
        serde_json::from_value(value).unwrap()
    }

    fn wrong(fields: Fields) -> Vec<String> {
        let problem = fields.finish().unwrap_err().problem(None);
        let errors = problem.errors.into_iter();
        errors.map(|error| error.field).collect()
    }

    #[test]
    fn null_removes() {
        let mut attributes = read(json!({ "a": 1, "b": "x" }));
        attributes.merge(read(json!({ "a": null, "c": true })));
        assert_eq!(attributes, read(json!({ "b": "x", "c": true })));
    }

    #[test]
    fn only_simple_facts_are_taken() {
        let long = "x".repeat(201);
        let body = json!({ "attributes": {
            "a": 1, "b": "x", "c": true, "D": 1, "e": [1], "f": {}, "g": null, "h": "\0", "i": long,
        }});
        let mut fields = Fields::parse(body.to_string().as_bytes()).unwrap();
        Attributes::take(&mut fields).unwrap();
        let names = ["D", "e", "f", "g", "h", "i"].map(field);
        assert_eq!(wrong(fields), names);

        let many: Map<String, Value> = (0..33).map(|n| (format!("a{n}"), json!(1))).collect();
        let body = json!({ "attributes": many });
        let mut fields = Fields::parse(body.to_string().as_bytes()).unwrap();
        Attributes::take_changes(&mut fields).unwrap();
        assert_eq!(wrong(fields), ["attributes"]);
    }

    #[test]
    fn a_category_says_what_its_attributes_are() {
        let rules: Rules = serde_json::from_value(json!({
            "a": "text", "b": "integer", "c": "number", "d": "boolean", "e": ["x", "y"],
        }))
        .unwrap();
        let mut fields = Fields::default();
        let good = json!({ "a": "t", "b": 2, "c": 2.5, "d": false, "e": "y", "other": 1 });
        read(good).check(&rules, &mut fields);
        fields.finish().unwrap();

        let mut fields = Fields::default();
        let bad = json!({ "a": 1, "b": 2.5, "c": "2", "d": 0, "e": "z", "other": 1 });
        read(bad).check(&rules, &mut fields);
        assert_eq!(wrong(fields), ["a", "b", "c", "d", "e"].map(field));
    }
}

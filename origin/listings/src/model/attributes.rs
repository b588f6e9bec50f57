//! Attributes: a flat object of texts, numbers and booleans.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zephyr_origin_core::FieldErrors;

const MAX: usize = 32;
const MAX_TEXT: usize = 200;

/// Facts about a listing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Attributes(pub(crate) Map<String, Value>);

impl Attributes {
    /// Notes what is wrong. `null` is right in changes only, where it removes.
    pub(crate) fn check(&self, changes: bool, errors: &mut FieldErrors) {
        errors.check(self.0.len() <= MAX, "attributes", "must be at most 32");
        for (name, value) in &self.0 {
            let field = format!("attributes.{name}");
            if !is_name(name) {
                errors.add(
                    field,
                    "must have a name of 1 to 40 characters a-z, 0-9 and _",
                );
                continue;
            }
            let rule = match value {
                Value::String(text) if text.chars().count() > MAX_TEXT || text.contains('\0') => {
                    "must be at most 200 characters long, without NUL"
                }
                Value::Array(_) | Value::Object(_) => "must be a text, a number or a boolean",
                Value::Null if !changes => "must be a text, a number or a boolean",
                _ => continue,
            };
            errors.add(field, rule);
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

/// Whether a text can name an attribute.
pub(crate) fn is_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=40).contains(&name.len()) && name.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn null_removes() {
        let read = |value| serde_json::from_value::<Attributes>(value).unwrap();
        let mut attributes = read(json!({ "a": 1, "b": "x" }));
        attributes.merge(read(json!({ "a": null, "c": true })));
        assert_eq!(attributes, read(json!({ "b": "x", "c": true })));
    }
}

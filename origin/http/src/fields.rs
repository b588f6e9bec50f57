//! A JSON object, read field by field: missing, unknown and wrong ones are named, all at once. What
//! [`Params`](crate::Params) is to a query, this is to a body.

use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use zephyr_origin_core::{ApiError, FieldErrors};

use crate::Failure;
use crate::json::{self, JsonBytes};

/// The fields of a body. Take each that the route knows, then call [`Fields::finish`].
#[derive(Debug, Default)]
pub struct Fields {
    /// The path of the object within the body, with a dot behind it.
    prefix: String,
    left: Map<String, Value>,
    errors: FieldErrors,
}

impl Fields {
    /// Reads a body.
    ///
    /// # Errors
    ///
    /// 400 when it is not a JSON object.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        match json::parse(body)? {
            Value::Object(left) => Ok(Self {
                left,
                ..Self::default()
            }),
            _ => Err(ApiError::bad_request("The body must be a JSON object.")),
        }
    }

    /// Notes a wrong field.
    pub fn wrong(&mut self, name: &str, message: impl Into<String>) {
        self.errors.add(format!("{}{name}", self.prefix), message);
    }

    /// Notes the field unless the condition holds.
    pub fn check(&mut self, holds: bool, name: &str, message: &str) {
        if !holds {
            self.wrong(name, message);
        }
    }

    /// Whether the field was sent, and not yet taken.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.left.contains_key(name)
    }

    /// Whether the field was sent as `null`.
    #[must_use]
    pub fn is_null(&self, name: &str) -> bool {
        self.left.get(name).is_some_and(Value::is_null)
    }

    /// Takes a field that must be there.
    pub fn required<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        if !self.has(name) {
            self.wrong(name, "is missing");
        }
        self.optional(name)
    }

    /// Takes a field that need not be there. `null` is a value like any other: of an `Option`, not of
    /// a text.
    pub fn optional<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let value = self.left.remove(name)?;
        match json::shape(value) {
            Ok(value) => Some(value),
            Err(json::Misshapen { path, message }) => {
                let bare = path.is_empty() || path.starts_with('[');
                let dot = if bare { "" } else { "." };
                self.wrong(&format!("{name}{dot}{path}"), message);
                None
            }
        }
    }

    /// Takes an object that must be there, field by field.
    pub fn object<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let left = self.required(name)?;
        let mut inner = Self {
            prefix: format!("{}{name}.", self.prefix),
            left,
            errors: std::mem::take(&mut self.errors),
        };
        let value = read(&mut inner);
        self.errors = inner.end();
        value
    }

    /// # Errors
    ///
    /// 422 that names every wrong field, and every one that nobody took.
    pub fn finish(self) -> Result<(), ApiError> {
        self.end().into_result()
    }

    fn end(mut self) -> FieldErrors {
        for (name, _) in std::mem::take(&mut self.left) {
            self.wrong(&name, "is not a field of this route");
        }
        self.errors
    }
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let JsonBytes(body) = JsonBytes::from_request(request, state).await?;
        Ok(Self::parse(&body)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(fields: Fields) -> Vec<String> {
        let problem = fields.finish().unwrap_err().problem(None);
        let errors = problem.errors.into_iter();
        errors.map(|error| error.field).collect()
    }

    #[test]
    fn known_fields_are_taken() {
        let body = br#"{"a":1,"b":null,"c":{"d":"x"}}"#;
        let mut fields = Fields::parse(body).unwrap();
        assert_eq!(fields.required::<i64>("a"), Some(1));
        assert!(fields.has("b") && fields.is_null("b") && !fields.has("a") && !fields.is_null("c"));
        assert_eq!(fields.optional::<Option<String>>("b"), Some(None));
        assert_eq!(fields.optional::<String>("e"), None);
        let inner = fields.object("c", |inner| inner.required::<String>("d"));
        assert_eq!(inner.as_deref(), Some("x"));
        fields.finish().unwrap();
    }

    #[test]
    fn wrong_fields_are_all_named() {
        let body = br#"{"a":"x","b":null,"c":{"d":1,"y":1},"l":[1,"x"],"z":1}"#;
        let mut fields = Fields::parse(body).unwrap();
        assert_eq!(fields.required::<i64>("a"), None);
        assert_eq!(fields.optional::<String>("b"), None);
        fields.object("c", |inner| {
            inner.check(false, "e", "must be there");
            inner.required::<String>("d")
        });
        assert_eq!(fields.optional::<Vec<i64>>("l"), None);
        assert_eq!(fields.required::<i64>("missing"), None);
        assert_eq!(
            names(fields),
            ["a", "b", "c.e", "c.d", "c.y", "l[1]", "missing", "z"]
        );
    }

    #[test]
    fn only_an_object_has_fields() {
        for body in ["[]", "1", "null", "{", "", "{} x"] {
            let error = Fields::parse(body.as_bytes()).unwrap_err();
            assert_eq!(error.status(), 400, "{body}");
        }
    }
}

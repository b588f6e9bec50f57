//! Query parameters, read strictly: unknown, repeated and wrong ones are named, all at once.

use std::convert::Infallible;
use std::fmt::Display;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use http::request::Parts;
use zephyr_origin_core::{ApiError, Cursor, FieldError, PageParams};

/// Longest query string read, in bytes.
const MAX_QUERY: usize = 8 * 1024;

/// The parameters of a request. Take each that the route knows, then call [`Params::finish`].
#[derive(Debug, Default)]
pub struct Params {
    left: Vec<(String, String)>,
    errors: Vec<FieldError>,
}

impl Params {
    /// Reads a query string.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        let mut params = Self::default();
        if query.len() > MAX_QUERY {
            params.wrong("query", format!("is longer than {MAX_QUERY} bytes"));
            return params;
        }
        params.left = form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        params
    }

    /// Notes a wrong parameter.
    pub fn wrong(&mut self, name: &str, message: impl Into<String>) {
        self.errors.push(FieldError {
            field: name.to_owned(),
            message: message.into(),
        });
    }

    /// Takes a parameter as text. One that comes twice is an error.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let mut found = self.left.extract_if(.., |(known, _)| known == name);
        let first = found.next().map(|(_, value)| value);
        let more = found.count() > 0;
        if more {
            self.wrong(name, "must be given once");
        }
        first
    }

    /// Takes a parameter of a type.
    pub fn value<T>(&mut self, name: &str) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = self.text(name)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.wrong(name, format!("{error}"));
                None
            }
        }
    }

    /// Takes all parameters whose names begin with `prefix`, without it.
    pub fn prefixed(&mut self, prefix: &str) -> Vec<(String, String)> {
        let found = self
            .left
            .extract_if(.., |(name, _)| name.starts_with(prefix));
        found
            .map(|(name, value)| (name[prefix.len()..].to_owned(), value))
            .collect()
    }

    /// Takes `limit`.
    pub fn page(&mut self) -> PageParams {
        let limit = self.value("limit");
        let mut errors = zephyr_origin_core::FieldErrors::default();
        let page = PageParams::check(limit, &mut errors);
        if !errors.is_empty() {
            self.wrong("limit", format!("must be 1 to {}", PageParams::MAX));
        }
        page
    }

    /// Takes `cursor`.
    pub fn cursor<T: serde::de::DeserializeOwned>(&mut self) -> Option<T> {
        let text = self.text("cursor")?;
        match Cursor::decode(&text) {
            Ok(position) => Some(position),
            Err(error) => {
                self.wrong("cursor", error.to_string());
                None
            }
        }
    }

    /// # Errors
    ///
    /// 400 that names every wrong parameter, and every one that nobody took.
    pub fn finish(mut self) -> Result<(), ApiError> {
        for (name, _) in std::mem::take(&mut self.left) {
            self.wrong(&name, "is not a parameter of this route");
        }
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(ApiError::bad_parameters(self.errors))
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(params: Params) -> Vec<String> {
        let problem = params.finish().unwrap_err().problem(None);
        problem
            .errors
            .into_iter()
            .map(|error| error.field)
            .collect()
    }

    #[test]
    fn known_parameters_are_taken() {
        let mut params = Params::parse("q=a+b&limit=5&attr.size=M");
        assert_eq!(params.text("q").as_deref(), Some("a b"));
        assert_eq!(params.page().limit, 5);
        assert_eq!(
            params.prefixed("attr."),
            [("size".to_owned(), "M".to_owned())]
        );
        params.finish().unwrap();
    }

    #[test]
    fn wrong_parameters_are_all_named() {
        let mut params = Params::parse("limit=0&x=1&n=one&q=a&q=b&cursor=zz");
        assert_eq!(params.page().limit, PageParams::DEFAULT);
        assert_eq!(params.value::<i64>("n"), None);
        assert_eq!(params.text("q").as_deref(), Some("a"));
        assert_eq!(params.cursor::<i64>(), None);
        assert_eq!(names(params), ["limit", "n", "q", "cursor", "x"]);
        assert_eq!(names(Params::parse(&"a".repeat(9000))), ["query"]);
    }
}

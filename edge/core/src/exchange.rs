//! What a filter sees of a request and its answer.

use std::borrow::Cow;

use crate::{CachePolicy, HeaderError};

/// One request, and its answer once there is one. The rules for header fields are in
/// [`crate::field`]; what each accessor means is written in `wit/filter.wit`, which this mirrors.
pub trait Exchange: CachePolicy {
    /// The request's id.
    fn request_id(&self) -> Cow<'_, str>;
    /// The method as sent.
    fn method(&self) -> Cow<'_, str>;
    /// `http` or `https`.
    fn scheme(&self) -> Cow<'_, str>;
    /// The host asked for, lower case, with the port when it is not the scheme's default.
    fn authority(&self) -> Cow<'_, str>;
    /// The path as sent, without the query.
    fn path(&self) -> Cow<'_, str>;
    /// What follows the first `?`.
    fn query(&self) -> Option<Cow<'_, str>>;
    /// The client's address as text.
    fn client_ip(&self) -> Cow<'_, str>;
    /// The name of the route that matched.
    fn route(&self) -> Cow<'_, str>;

    /// A request field by name; repeated lines are joined with `", "`.
    fn header(&self, name: &str) -> Option<Cow<'_, str>>;
    /// All request fields, one entry a line.
    fn headers(&self) -> Vec<(String, String)>;
    /// Replaces all request fields of that name by one.
    ///
    /// # Errors
    ///
    /// The rules in [`crate::field`].
    fn set_header(&mut self, name: &str, value: &str) -> Result<(), HeaderError>;
    /// Adds a request field line.
    ///
    /// # Errors
    ///
    /// The rules in [`crate::field`].
    fn append_header(&mut self, name: &str, value: &str) -> Result<(), HeaderError>;
    /// Removes all request fields of that name.
    ///
    /// # Errors
    ///
    /// The rules in [`crate::field`].
    fn remove_header(&mut self, name: &str) -> Result<(), HeaderError>;
    /// Replaces path and query of what is asked of the upstream and the cache.
    ///
    /// # Errors
    ///
    /// [`HeaderError::InvalidValue`] when it is not a legal request target in origin form.
    fn set_path_and_query(&mut self, target: &str) -> Result<(), HeaderError>;

    /// The answer's status; none in `on_request`.
    fn status(&self) -> Option<u16>;
    /// A field of the answer by name.
    fn response_header(&self, name: &str) -> Option<Cow<'_, str>>;
    /// All fields of the answer, one entry a line.
    fn response_headers(&self) -> Vec<(String, String)>;
    /// Replaces all fields of that name on the answer; before there is one, on the answer to come.
    ///
    /// # Errors
    ///
    /// The rules in [`crate::field`].
    fn set_response_header(&mut self, name: &str, value: &str) -> Result<(), HeaderError>;
    /// As [`Exchange::set_response_header`], but adds a line.
    ///
    /// # Errors
    ///
    /// The rules in [`crate::field`].
    fn append_response_header(&mut self, name: &str, value: &str) -> Result<(), HeaderError>;
    /// Removes all fields of that name from the answer.
    ///
    /// # Errors
    ///
    /// The rules in [`crate::field`].
    fn remove_response_header(&mut self, name: &str) -> Result<(), HeaderError>;
}

//! An exchange as policies see it that are linked into their host: what `http-exchange` and
//! `cache-policy` of `wit/filter.wit` say, without a component between.

use std::borrow::Cow;

use zephyr_edge_core::cache_policy::{CachePolicy, is_surrogate_key};
use zephyr_edge_core::{Exchange as View, HeaderError};

use crate::exchange::Exchange;
use crate::headers;

/// Parts that may be added to a cache key.
pub const MAX_KEY_PARTS: usize = 64;
/// Bytes of one part, and of the key's query.
pub const MAX_KEY_BYTES: usize = 8 << 10;
/// Surrogate keys that an answer may have.
pub const MAX_SURROGATE_KEYS: usize = 256;
/// Characters of a reason to leave the cache out.
pub const MAX_REASON: usize = 64;

impl Exchange {
    /// Leaving out a part of a key would make different requests share an answer, and a linked
    /// policy's call cannot be ended: the request passes the cache by.
    fn bounded_key(&mut self, fits: bool) -> bool {
        if !fits {
            self.cache.bypass("key-too-long");
        }
        fits
    }
}

impl CachePolicy for Exchange {
    fn bypass(&mut self, reason: &str) {
        let reason: String = reason.chars().take(MAX_REASON).collect();
        self.cache.bypass(&reason);
    }

    fn set_ttl(&mut self, seconds: u32) {
        self.cache.set_ttl(seconds);
    }

    fn set_stale_while_revalidate(&mut self, seconds: u32) {
        self.cache.set_stale_while_revalidate(seconds);
    }

    fn set_stale_if_error(&mut self, seconds: u32) {
        self.cache.set_stale_if_error(seconds);
    }

    fn set_key_query(&mut self, query: Option<&str>) {
        if self.bounded_key(query.is_none_or(|query| query.len() <= MAX_KEY_BYTES)) {
            self.cache.set_key_query(query);
        }
    }

    fn add_key_part(&mut self, part: &str) {
        let fits = part.len() <= MAX_KEY_BYTES && self.cache.key_parts.len() < MAX_KEY_PARTS;
        if self.bounded_key(fits) {
            self.cache.add_key_part(part);
        }
    }

    fn add_surrogate_keys(&mut self, keys: &[&str]) {
        for key in keys.iter().filter(|key| is_surrogate_key(key)) {
            if self.cache.surrogate_keys.len() < MAX_SURROGATE_KEYS {
                self.cache.add_surrogate_keys(&[key]);
            }
        }
    }
}

impl View for Exchange {
    fn request_id(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.id)
    }

    fn method(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.request.method.as_str())
    }

    fn scheme(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.scheme)
    }

    fn authority(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.authority)
    }

    fn path(&self) -> Cow<'_, str> {
        Cow::Borrowed(match self.request.uri.path() {
            "" => "/",
            path => path,
        })
    }

    fn query(&self) -> Option<Cow<'_, str>> {
        self.request.uri.query().map(Cow::Borrowed)
    }

    fn client_ip(&self) -> Cow<'_, str> {
        Cow::Owned(self.client.to_string())
    }

    fn route(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.route)
    }

    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        headers::read(&self.request.headers, name).map(Cow::Owned)
    }

    fn headers(&self) -> Vec<(String, String)> {
        headers::lines(&self.request.headers)
    }

    fn set_header(&mut self, name: &str, value: &str) -> Result<(), HeaderError> {
        let (name, value) = headers::checked(name, value.to_owned())?;
        headers::set(&mut self.request.headers, name, value)
    }

    fn append_header(&mut self, name: &str, value: &str) -> Result<(), HeaderError> {
        let (name, value) = headers::checked(name, value.to_owned())?;
        headers::append(&mut self.request.headers, name, value)
    }

    fn remove_header(&mut self, name: &str) -> Result<(), HeaderError> {
        let name = headers::checked_name(name)?;
        self.request.headers.remove(name);
        Ok(())
    }

    fn set_path_and_query(&mut self, target: &str) -> Result<(), HeaderError> {
        headers::set_target(&mut self.request.uri, target.to_owned())
    }

    fn status(&self) -> Option<u16> {
        self.response.as_ref().map(|answer| answer.status.as_u16())
    }

    fn response_header(&self, name: &str) -> Option<Cow<'_, str>> {
        let answer = self.response.as_ref()?;
        headers::read_answer(&answer.headers, name).map(Cow::Owned)
    }

    fn response_headers(&self) -> Vec<(String, String)> {
        let lines = |answer: &http::response::Parts| headers::lines(&answer.headers);
        self.response.as_ref().map(lines).unwrap_or_default()
    }

    fn set_response_header(&mut self, name: &str, value: &str) -> Result<(), HeaderError> {
        self.write_answer(name, value.to_owned())
    }

    fn append_response_header(&mut self, name: &str, value: &str) -> Result<(), HeaderError> {
        self.add_to_answer(name, value.to_owned())
    }

    fn remove_response_header(&mut self, name: &str) -> Result<(), HeaderError> {
        self.remove_from_answer(name)
    }
}

//! [`Exchange`] over the node's handle.

use std::borrow::Cow;

use zephyr_edge_core::{CachePolicy, Exchange, HeaderError};

use crate::bindings::zephyr::edge::cache_policy;
use crate::bindings::zephyr::edge::http_exchange::Exchange as Handle;
use crate::bindings::zephyr::edge::types;

pub(crate) struct GuestExchange<'a>(pub(crate) &'a Handle);

fn written(result: Result<(), types::HeaderError>) -> Result<(), HeaderError> {
    result.map_err(|error| match error {
        types::HeaderError::InvalidName => HeaderError::InvalidName,
        types::HeaderError::InvalidValue => HeaderError::InvalidValue,
        types::HeaderError::Forbidden => HeaderError::Forbidden,
    })
}

impl CachePolicy for GuestExchange<'_> {
    fn bypass(&mut self, reason: &str) {
        cache_policy::bypass(self.0, reason);
    }

    fn set_ttl(&mut self, seconds: u32) {
        cache_policy::set_ttl(self.0, seconds);
    }

    fn set_stale_while_revalidate(&mut self, seconds: u32) {
        cache_policy::set_stale_while_revalidate(self.0, seconds);
    }

    fn set_stale_if_error(&mut self, seconds: u32) {
        cache_policy::set_stale_if_error(self.0, seconds);
    }

    fn set_key_query(&mut self, query: Option<&str>) {
        cache_policy::set_key_query(self.0, query);
    }

    fn add_key_part(&mut self, part: &str) {
        cache_policy::add_key_part(self.0, part);
    }

    fn add_surrogate_keys(&mut self, keys: &[&str]) {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        cache_policy::add_surrogate_keys(self.0, &keys);
    }
}

impl Exchange for GuestExchange<'_> {
    fn request_id(&self) -> Cow<'_, str> {
        self.0.request_id().into()
    }

    fn method(&self) -> Cow<'_, str> {
        self.0.method().into()
    }

    fn scheme(&self) -> Cow<'_, str> {
        self.0.scheme().into()
    }

    fn authority(&self) -> Cow<'_, str> {
        self.0.authority().into()
    }

    fn path(&self) -> Cow<'_, str> {
        self.0.path().into()
    }

    fn query(&self) -> Option<Cow<'_, str>> {
        self.0.query().map(Cow::Owned)
    }

    fn client_ip(&self) -> Cow<'_, str> {
        self.0.client_ip().into()
    }

    fn route(&self) -> Cow<'_, str> {
        self.0.route().into()
    }

    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.0.header(name).map(Cow::Owned)
    }

    fn headers(&self) -> Vec<(String, String)> {
        self.0.headers()
    }

    fn set_header(&mut self, name: &str, value: &str) -> Result<(), HeaderError> {
        written(self.0.set_header(name, value))
    }

    fn append_header(&mut self, name: &str, value: &str) -> Result<(), HeaderError> {
        written(self.0.append_header(name, value))
    }

    fn remove_header(&mut self, name: &str) -> Result<(), HeaderError> {
        written(self.0.remove_header(name))
    }

    fn set_path_and_query(&mut self, target: &str) -> Result<(), HeaderError> {
        written(self.0.set_path_and_query(target))
    }

    fn status(&self) -> Option<u16> {
        self.0.status()
    }

    fn response_header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.0.response_header(name).map(Cow::Owned)
    }

    fn response_headers(&self) -> Vec<(String, String)> {
        self.0.response_headers()
    }

    fn set_response_header(&mut self, name: &str, value: &str) -> Result<(), HeaderError> {
        written(self.0.set_response_header(name, value))
    }

    fn append_response_header(&mut self, name: &str, value: &str) -> Result<(), HeaderError> {
        written(self.0.append_response_header(name, value))
    }

    fn remove_response_header(&mut self, name: &str) -> Result<(), HeaderError> {
        written(self.0.remove_response_header(name))
    }
}

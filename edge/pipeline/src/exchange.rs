//! One request on its way through the edge, and its answer once there is one. Filters see it
//! through `http-exchange` and `cache-policy`; the cache and the proxy work on it directly.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, request, response};
use zephyr_edge_core::cache_policy::CacheDirectives;

use crate::admission::Admitted;

/// A request and its answer, without their bodies.
#[derive(Debug)]
pub struct Exchange {
    /// The request's id, also sent as `x-request-id`.
    pub id: Arc<str>,
    /// The client, after trusted proxies have been taken off.
    pub client: IpAddr,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The host asked for: lower case, without the scheme's default port.
    pub authority: Arc<str>,
    /// The name of the route that matched.
    pub route: Arc<str>,
    /// The request's head. Hop-by-hop and `x-zephyr-*` fields of the client are gone. The URI is in
    /// origin form (path and query only).
    pub request: request::Parts,
    /// The answer's head; none until something has answered.
    pub response: Option<response::Parts>,
    /// Changes to the answer that filters asked for before there was one, in order. Applied to the
    /// answer that leaves for this client; never stored.
    pub pending: Vec<FieldChange>,
    /// What filters said to the cache.
    pub cache: CacheDirectives,
}

/// A change to a header section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldChange {
    /// Replace all fields of that name.
    Set(HeaderName, HeaderValue),
    /// Add a field line.
    Append(HeaderName, HeaderValue),
    /// Remove all fields of that name.
    Remove(HeaderName),
}

impl FieldChange {
    /// Makes the change.
    pub fn apply(self, headers: &mut HeaderMap) {
        match self {
            Self::Set(name, value) => drop(headers.insert(name, value)),
            Self::Append(name, value) => drop(headers.append(name, value)),
            Self::Remove(name) => drop(headers.remove(name)),
        }
    }
}

impl Exchange {
    /// A request that has been admitted and has found its route.
    #[must_use]
    pub fn new(id: Arc<str>, admitted: Admitted, route: Arc<str>, request: request::Parts) -> Self {
        Self {
            id,
            client: admitted.client,
            scheme: admitted.scheme,
            authority: admitted.authority,
            route,
            request,
            response: None,
            pending: Vec::new(),
            cache: CacheDirectives::default(),
        }
    }

    /// The same exchange for a request of the cache's own: a GET for the whole, for no client in
    /// particular.
    #[must_use]
    pub fn fork(&self) -> Self {
        let mut request = self.request.clone();
        request.method = http::Method::GET;
        Self {
            id: Arc::clone(&self.id),
            client: self.client,
            scheme: self.scheme,
            authority: Arc::clone(&self.authority),
            route: Arc::clone(&self.route),
            request,
            response: None,
            pending: Vec::new(),
            cache: self.cache.clone(),
        }
    }

    /// Stands in for an exchange while a filter has it.
    #[must_use]
    pub fn placeholder(&self) -> Self {
        Self {
            id: Arc::clone(&self.id),
            client: self.client,
            scheme: self.scheme,
            authority: Arc::clone(&self.authority),
            route: Arc::clone(&self.route),
            request: http::Request::new(()).into_parts().0,
            response: None,
            pending: Vec::new(),
            cache: CacheDirectives::default(),
        }
    }
}

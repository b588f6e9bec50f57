//! Where the outgoing requests of services go.

use std::pin::Pin;

use crate::body::Body;
use crate::error::ProxyError;

/// The future of an answer from an upstream.
pub type OutboundFuture =
    Pin<Box<dyn Future<Output = Result<http::Response<Body>, ProxyError>> + Send>>;

/// Sends the requests of a service to upstreams. The authority of a request's URI is an upstream's
/// name, and [`Outbound::allows`] has said yes to it.
pub trait Outbound: Send + Sync + 'static {
    /// Whether the service may send requests to the upstream of this name. A request to another one
    /// never reaches [`Outbound::send`]: the guest gets `HTTP-request-denied`.
    fn allows(&self, upstream: &str) -> bool;

    /// Whether the service may send a request to this URI: by its authority, unless that is not all.
    fn allows_request(&self, uri: &http::Uri) -> bool {
        self.allows(uri.authority().map_or("", http::uri::Authority::as_str))
    }

    /// Sends a request. `first_byte_timeout` of the guest's request options, if any, is enforced by
    /// the caller.
    fn send(&self, request: http::Request<Body>) -> OutboundFuture;
}

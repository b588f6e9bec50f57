//! Outgoing requests of a component of a Spin application: to the hosts that its manifest names.

use std::sync::Arc;

use http::Uri;

use super::Grants;
use crate::body::Body;
use crate::upstream::send_named;
use crate::wasm::{Outbound, OutboundFuture};

/// Finds the upstream for the authority of a request.
#[derive(Debug)]
pub(crate) struct SpinOutbound(pub(crate) Arc<Grants>);

impl SpinOutbound {
    fn upstream(&self, uri: &Uri) -> Option<&str> {
        // The same host over TLS is another server.
        let (tls, port) = match uri.scheme_str()? {
            "http" => (false, 80),
            "https" => (true, 443),
            _ => return None,
        };
        let host = uri.host()?;
        let host = host.strip_prefix('[').unwrap_or(host);
        let host = host.strip_suffix(']').unwrap_or(host);
        let port = uri.port_u16().unwrap_or(port);
        let place = (tls, host.to_ascii_lowercase(), port);
        self.0.outbound.get(&place).map(String::as_str)
    }
}

impl Outbound for SpinOutbound {
    fn allows(&self, _upstream: &str) -> bool {
        // An authority alone does not say whether TLS is spoken.
        false
    }

    fn allows_request(&self, uri: &Uri) -> bool {
        self.upstream(uri).is_some()
    }

    fn send(&self, request: http::Request<Body>) -> OutboundFuture {
        let upstream = self.upstream(request.uri()).unwrap_or_default();
        send_named(upstream, request)
    }
}

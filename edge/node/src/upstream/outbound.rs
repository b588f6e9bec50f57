//! Requests of service components to upstreams.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use http::{HeaderValue, StatusCode, header};

use super::pool::Pool;
use super::{Pools, send};
use crate::body::Body;
use crate::error::{ProxyError, Source};
use crate::fields;
use crate::wasm::{Outbound, OutboundFuture};

thread_local! {
    /// The pools of the worker on this thread: components run on the worker that called them. The
    /// last are the newest; older ones are of generations that still have requests in flight.
    static POOLS: RefCell<Vec<Weak<Pools>>> = const { RefCell::new(Vec::new()) };
}

/// Makes these the pools of the current thread, for as long as the caller keeps them.
pub(crate) fn install(pools: &Arc<Pools>) {
    POOLS.with_borrow_mut(|all| {
        all.retain(|pools| pools.strong_count() > 0);
        all.push(Arc::downgrade(pools));
    });
}

/// Sends the requests of one service to the upstreams it may ask.
#[derive(Debug)]
pub(crate) struct UpstreamOutbound {
    allowed: Vec<String>,
}

impl UpstreamOutbound {
    pub(crate) fn new(allowed: Vec<String>) -> Self {
        Self { allowed }
    }
}

impl Outbound for UpstreamOutbound {
    fn allows(&self, upstream: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed == upstream)
    }

    fn send(&self, request: http::Request<Body>) -> OutboundFuture {
        let pool = pool_named(request.uri().host().unwrap_or_default());
        send_through(pool, request)
    }
}

/// Sends a request of a component to the upstream of this name, through the pools of this thread.
pub(crate) fn send_named(name: &str, request: http::Request<Body>) -> OutboundFuture {
    send_through(pool_named(name), request)
}

fn pool_named(name: &str) -> Option<Arc<Pool>> {
    POOLS.with_borrow(|all| {
        let mut living = all.iter().rev().filter_map(Weak::upgrade);
        living.find_map(|pools| pools.named(name).cloned())
    })
}

fn send_through(pool: Option<Arc<Pool>>, request: http::Request<Body>) -> OutboundFuture {
    Box::pin(async move {
        let Some(pool) = pool else {
            let detail = "A component asked for an upstream that is not there.";
            return Err(ProxyError::new(
                Source::Edge,
                StatusCode::BAD_GATEWAY,
                detail,
            ));
        };
        let (mut parts, body) = request.into_parts();
        let target = parts.uri.path_and_query().cloned();
        parts.uri = target.map_or_else(|| http::Uri::from_static("/"), http::Uri::from);
        fields::remove_hop_by_hop(&mut parts.headers);
        let authority = pool.upstream.config.url.authority().as_str();
        let host = HeaderValue::from_str(authority).map_err(|error| {
            ProxyError::new(Source::Edge, StatusCode::BAD_GATEWAY, "Bad upstream.")
                .with_cause(error)
        })?;
        parts.headers.insert(header::HOST, host);
        parts
            .headers
            .append(header::VIA, HeaderValue::from_static(fields::VIA));
        send(&pool, None, http::Request::from_parts(parts, body)).await
    })
}

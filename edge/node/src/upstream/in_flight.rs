//! The bound on requests in flight at an upstream.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use http::StatusCode;

use super::{Upstream, count};
use crate::error::{ProxyError, Source};

/// One request in flight, until dropped.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Upstream>);

impl InFlight {
    /// Takes a place.
    ///
    /// # Errors
    ///
    /// 503 when all are taken.
    pub(super) fn enter(upstream: &Arc<Upstream>) -> Result<Self, ProxyError> {
        let before = upstream.in_flight.fetch_add(1, Relaxed);
        let place = Self(Arc::clone(upstream));
        if before < u64::from(upstream.config.max_connections) {
            return Ok(place);
        }
        count(&upstream.counts.saturated);
        let error = ProxyError::new(
            Source::Upstream,
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many requests are waiting for the upstream.",
        );
        Err(error.retryable())
    }

    pub(super) fn upstream(&self) -> &Upstream {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

//! What is under way: the bound on requests in flight at an upstream, the breaker's permission, and
//! one request at one server.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use http::StatusCode;
use zephyr_balancer::{Admission, Breaker};
use zephyr_edge_pipeline::proxy_status::ErrorType;

use super::counts::Failure;
use super::{Endpoint, Upstream, count};
use crate::error::{ProxyError, Source};

/// One request in flight, until dropped.
#[derive(Debug)]
pub(super) struct InFlight {
    upstream: Arc<Upstream>,
    /// How the breaker let it pass, until it is told the outcome.
    admission: Option<Admission>,
}

impl InFlight {
    /// Takes a place.
    ///
    /// # Errors
    ///
    /// 503 when all are taken, or when the breaker is open.
    pub(super) fn enter(upstream: &Arc<Upstream>) -> Result<Self, ProxyError> {
        let before = upstream.in_flight.fetch_add(1, Relaxed);
        let mut place = Self {
            upstream: Arc::clone(upstream),
            admission: None,
        };
        if before >= u64::from(upstream.config.max_connections) {
            count(&upstream.counts.saturated);
            let detail = "Too many requests are waiting for the upstream.";
            let error = unavailable(detail).of_kind(ErrorType::ConnectionLimitReached);
            return Err(error.retry_after(Duration::from_secs(1)));
        }
        if let Some(breaker) = &upstream.breaker {
            let admitted = breaker.admit(upstream.now()).map_err(|left| {
                count(&upstream.counts.breaker_open);
                let detail = "The upstream has failed too often and is left alone for a while.";
                unavailable(detail).retry_after(left)
            })?;
            place.admission = Some(admitted);
        }
        Ok(place)
    }

    fn breaker(&self) -> Option<&Breaker> {
        self.upstream.breaker.as_ref()
    }

    /// Tells the breaker what became of it.
    pub(super) fn outcome(&mut self, good: bool) {
        if let (Some(breaker), Some(admission)) = (&self.upstream.breaker, self.admission.take()) {
            breaker.record(admission, Some(good), self.upstream.now());
        }
    }

    /// It broke after it had begun well.
    pub(super) fn broke_off(&mut self) {
        if let Some(breaker) = self.breaker() {
            breaker.record(Admission::Ordinary, Some(false), self.upstream.now());
        }
    }
}

fn unavailable(detail: &'static str) -> ProxyError {
    let error = ProxyError::new(Source::Upstream, StatusCode::SERVICE_UNAVAILABLE, detail);
    error.of_kind(ErrorType::DestinationUnavailable).retryable()
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.upstream.in_flight.fetch_sub(1, Relaxed);
        // The client left: a probe makes room for another one.
        if let (Some(breaker), Some(admission)) = (&self.upstream.breaker, self.admission.take()) {
            breaker.record(admission, None, self.upstream.now());
        }
    }
}

/// One request at one server, until dropped.
#[derive(Debug)]
pub(super) struct Visit {
    upstream: Arc<Upstream>,
    endpoint: Arc<Endpoint>,
    started: std::time::Instant,
}

impl Visit {
    pub(super) fn new(upstream: &Arc<Upstream>, endpoint: &Arc<Endpoint>) -> Self {
        endpoint.server.enter();
        count(&endpoint.counts.requests);
        Self {
            upstream: Arc::clone(upstream),
            endpoint: Arc::clone(endpoint),
            started: std::time::Instant::now(),
        }
    }

    pub(super) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// The head of an answer is here.
    pub(super) fn answered(&self, status: StatusCode) {
        let took = self.started.elapsed();
        self.endpoint.counts.answered(took);
        let good = !is_gateway_failure(status);
        if !good {
            self.endpoint.counts.failed(Failure::Status);
        }
        let now = self.upstream.now();
        self.endpoint.server.latency.observe(took, now);
        self.record(good, now);
    }

    /// There is no answer, or not all of it.
    pub(super) fn failed(&self, failure: Failure) {
        self.endpoint.counts.failed(failure);
        self.record(false, self.upstream.now());
    }

    fn record(&self, good: bool, now: Duration) {
        let cluster = self.upstream.cluster.load();
        // Of a single server there is nothing to decide.
        if !cluster.pool.is_trivial() && cluster.pool.record(&self.endpoint.server, good, now) {
            let (name, address) = (&self.upstream.name, self.endpoint.address);
            tracing::warn!(upstream = &**name, %address, "upstream {name}: {address} fails and is left out for a while");
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.endpoint.server.leave();
    }
}

/// What says that the server, or what stands behind it, is down; other errors are the application's.
pub(super) fn is_gateway_failure(status: StatusCode) -> bool {
    matches!(status.as_u16(), 502..=504)
}

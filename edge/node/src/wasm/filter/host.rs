//! `kv`, `limiter`, `signatures` and `log`: a filter's calls to the node's capabilities.

use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use zephyr_edge_core::capability::{Algorithm, Limit, LimiterError};
use zephyr_edge_core::gcra;
use zephyr_edge_pipeline::kv_scope as scope;

use super::bindings::zephyr::edge::{kv, limiter, log, signatures, types};
use super::state::FilterState;
use crate::wasm::stdio::cut;

const NOT_IN_TIME: &str = "no answer in time";

impl types::Host for FilterState {}

impl kv::Host for FilterState {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, kv::KvError>> {
        let key = match scope::readable(&self.component, &key) {
            Ok(key) => key,
            Err(why) => return Ok(Err(kv::KvError::Invalid(why))),
        };
        let value = in_time(self.deadline, self.capabilities.kv.get(&key)).await;
        Ok(kv_result(value).map(|value| value.map(Vec::from)))
    }

    async fn set(
        &mut self,
        key: String,
        value: Vec<u8>,
        ttl_ms: Option<u64>,
    ) -> wasmtime::Result<Result<(), kv::KvError>> {
        let key = match scope::writable(&self.component, &key) {
            Ok(key) => key,
            Err(why) => return Ok(Err(kv::KvError::Invalid(why))),
        };
        let ttl = ttl_ms.map(Duration::from_millis);
        let set = self.capabilities.kv.set(&key, value.into(), ttl);
        Ok(kv_result(in_time(self.deadline, set).await))
    }

    async fn delete(&mut self, key: String) -> wasmtime::Result<Result<(), kv::KvError>> {
        let key = match scope::writable(&self.component, &key) {
            Ok(key) => key,
            Err(why) => return Ok(Err(kv::KvError::Invalid(why))),
        };
        let delete = self.capabilities.kv.delete(&key);
        Ok(kv_result(in_time(self.deadline, delete).await).map(drop))
    }
}

fn kv_result<T>(result: Option<Result<T, zephyr_kv::Error>>) -> Result<T, kv::KvError> {
    match result {
        Some(Ok(value)) => Ok(value),
        Some(Err(zephyr_kv::Error::Invalid(why))) => Err(kv::KvError::Invalid(why)),
        Some(Err(error)) => Err(kv::KvError::Unavailable(error.to_string())),
        None => Err(kv::KvError::Unavailable(NOT_IN_TIME.to_owned())),
    }
}

/// Waits for a server, but leaves the filter a quarter of its time to do without. What is there at
/// once costs no timer.
async fn in_time<T>(deadline: Instant, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    if let Poll::Ready(value) = futures_util::poll!(&mut future) {
        return Some(value);
    }
    let left = deadline.saturating_duration_since(Instant::now());
    tokio::time::timeout(left * 3 / 4, future).await.ok()
}

impl limiter::Host for FilterState {
    async fn check(
        &mut self,
        limits: Vec<limiter::Limit>,
    ) -> wasmtime::Result<Result<Vec<limiter::Decision>, limiter::LimiterError>> {
        let mut limits: Vec<Limit> = limits.into_iter().map(limit).collect();
        if let Err(error) = gcra::validate(&limits) {
            return Ok(Err(limiter_error(error)));
        }
        // A component counts in a name space of its own.
        for limit in &mut limits {
            limit.key.insert(0, '/');
            limit.key.insert_str(0, &self.component);
        }
        let decisions = self.capabilities.limiter.check(&limits).get();
        Ok(match in_time(self.deadline, decisions).await {
            Some(Ok(decisions)) => Ok(decisions.iter().map(decision).collect()),
            Some(Err(error)) => Err(limiter_error(error)),
            None => Err(limiter::LimiterError::Unavailable(NOT_IN_TIME.to_owned())),
        })
    }
}

fn limit(limit: limiter::Limit) -> Limit {
    Limit {
        key: limit.key,
        count: limit.count,
        period: Duration::from_millis(limit.period_ms),
        burst: limit.burst,
        cost: limit.cost,
    }
}

/// Times are rounded up to milliseconds: who waits as long as told is not refused again.
fn decision(decision: &zephyr_edge_core::capability::Decision) -> limiter::Decision {
    let millis =
        |time: Duration| u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
    limiter::Decision {
        allowed: decision.allowed,
        remaining: decision.remaining,
        reset_after_ms: millis(decision.reset_after),
        retry_after_ms: millis(decision.retry_after),
    }
}

fn limiter_error(error: LimiterError) -> limiter::LimiterError {
    match error {
        LimiterError::Invalid(why) => limiter::LimiterError::Invalid(why),
        LimiterError::Unavailable(why) => limiter::LimiterError::Unavailable(why),
    }
}

impl signatures::Host for FilterState {
    fn verify(
        &mut self,
        algorithm: signatures::Algorithm,
        key: Vec<u8>,
        message: Vec<u8>,
        signature: Vec<u8>,
    ) -> wasmtime::Result<Result<bool, String>> {
        let algorithm = match algorithm {
            signatures::Algorithm::EdDsa => Algorithm::EdDsa,
            signatures::Algorithm::Es256 => Algorithm::Es256,
            signatures::Algorithm::Hs256 => Algorithm::Hs256,
        };
        let verifier = &self.capabilities.signatures;
        Ok(verifier
            .verify(algorithm, &key, &message, &signature)
            .map_err(|error| error.0))
    }
}

impl log::Host for FilterState {
    fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        let component = &*self.component;
        let request_id = self.exchange.as_ref().map(|exchange| &*exchange.id);
        let last = || {
            tracing::warn!(
                component,
                request_id,
                "No more lines of this call are logged"
            );
        };
        if !self.log.spend(last) {
            return Ok(());
        }
        let message = cut(&message);
        match level {
            log::Level::Debug => tracing::debug!(component, request_id, "{message}"),
            log::Level::Info => tracing::info!(component, request_id, "{message}"),
            log::Level::Warn => tracing::warn!(component, request_id, "{message}"),
            log::Level::Error => tracing::error!(component, request_id, "{message}"),
        }
        Ok(())
    }
}

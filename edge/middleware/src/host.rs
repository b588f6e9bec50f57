//! The capabilities of a policy that is middleware.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use zephyr_edge_core::capability::{
    Algorithm, Clock, Decision, KeyError, Kv, KvError, Level, Limit, Limiter, LimiterError, Log,
    Random, Signatures,
};
use zephyr_edge_pipeline::kv_scope;
use zephyr_edge_wasi::{limiter, log};

pub(crate) struct MiddlewareHost<'a> {
    pub(crate) kv: &'a BTreeMap<String, String>,
}

impl Clock for MiddlewareHost<'_> {
    fn now(&self) -> Duration {
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
    }
}

impl Random for MiddlewareHost<'_> {
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("wasi:random never fails");
    }
}

impl Log for MiddlewareHost<'_> {
    fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Debug => return,
            Level::Info => "INFO",
            Level::Warn => "WARN",
            Level::Error => "ERROR",
        };
        log::line(level, message);
    }
}

fn nowhere() -> KvError {
    KvError::Unavailable("middleware has no keys of its own".to_owned())
}

impl Kv for MiddlewareHost<'_> {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KvError> {
        let key = kv_scope::readable("", key).map_err(KvError::Invalid)?;
        if !key.starts_with("site/") {
            return Err(nowhere());
        }
        Ok(self.kv.get(&key).map(|value| value.clone().into_bytes()))
    }

    async fn set(&self, _: &str, _: &[u8], _: Option<Duration>) -> Result<(), KvError> {
        Err(nowhere())
    }

    async fn delete(&self, _: &str) -> Result<(), KvError> {
        Err(nowhere())
    }
}

impl Limiter for MiddlewareHost<'_> {
    async fn check(&self, limits: &[Limit]) -> Result<Vec<Decision>, LimiterError> {
        limiter::check(self.now(), limits)
    }
}

impl Signatures for MiddlewareHost<'_> {
    async fn verify(
        &self,
        algorithm: Algorithm,
        key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, KeyError> {
        zephyr_edge_signatures::verify(algorithm, key, message, signature)
    }
}

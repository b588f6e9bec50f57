//! The node's capabilities as [`zephyr_edge_core::Host`].

use std::time::{Duration, SystemTime};

use zephyr_edge_core::capability::{
    Algorithm, Clock, Decision, KeyError, Kv, KvError, Level, Limit, Limiter, LimiterError, Log,
    Random, Signatures,
};

use crate::bindings::zephyr::edge::{kv, limiter, log, signatures};

pub(crate) struct NodeHost;

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Clock for NodeHost {
    fn now(&self) -> Duration {
        // `wasi:clocks`, which std imports.
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
    }
}

impl Random for NodeHost {
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("wasi:random never fails");
    }
}

impl Log for NodeHost {
    fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Debug => log::Level::Debug,
            Level::Info => log::Level::Info,
            Level::Warn => log::Level::Warn,
            Level::Error => log::Level::Error,
        };
        log::write(level, message);
    }
}

fn kv_error(error: kv::KvError) -> KvError {
    match error {
        kv::KvError::Invalid(why) => KvError::Invalid(why),
        kv::KvError::Unavailable(why) => KvError::Unavailable(why),
    }
}

impl Kv for NodeHost {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KvError> {
        kv::get(key).map_err(kv_error)
    }

    async fn set(&self, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<(), KvError> {
        kv::set(key, value, ttl.map(millis)).map_err(kv_error)
    }

    async fn delete(&self, key: &str) -> Result<(), KvError> {
        kv::delete(key).map_err(kv_error)
    }
}

impl Limiter for NodeHost {
    async fn check(&self, limits: &[Limit]) -> Result<Vec<Decision>, LimiterError> {
        let limits: Vec<limiter::Limit> = limits
            .iter()
            .map(|limit| limiter::Limit {
                key: limit.key.clone(),
                count: limit.count,
                period_ms: millis(limit.period),
                burst: limit.burst,
                cost: limit.cost,
            })
            .collect();
        let decisions = limiter::check(&limits).map_err(|error| match error {
            limiter::LimiterError::Invalid(why) => LimiterError::Invalid(why),
            limiter::LimiterError::Unavailable(why) => LimiterError::Unavailable(why),
        })?;
        let decision = |decision: limiter::Decision| Decision {
            allowed: decision.allowed,
            remaining: decision.remaining,
            reset_after: Duration::from_millis(decision.reset_after_ms),
            retry_after: Duration::from_millis(decision.retry_after_ms),
        };
        Ok(decisions.into_iter().map(decision).collect())
    }
}

impl Signatures for NodeHost {
    async fn verify(
        &self,
        algorithm: Algorithm,
        key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, KeyError> {
        let algorithm = match algorithm {
            Algorithm::EdDsa => signatures::Algorithm::EdDsa,
            Algorithm::Es256 => signatures::Algorithm::Es256,
            Algorithm::Hs256 => signatures::Algorithm::Hs256,
        };
        signatures::verify(algorithm, key, message, signature).map_err(KeyError)
    }
}

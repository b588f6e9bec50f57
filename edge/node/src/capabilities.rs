//! Opens what filters may ask of the node, as the configuration says.

use std::sync::Arc;

use anyhow::Context as _;
use secrecy::SecretString;

use crate::capability::limiter::{MemoryLimiter, RedisLimiter, RedisOptions};
use crate::capability::{Capabilities, RateLimiter, SignatureVerifier};
use crate::config::{Config, KvBackend, LimiterBackend};

/// Verified signatures remembered: a few MiB, and enough for the users of ten minutes.
const SIGNATURES: usize = 16 * 1024;

/// Opens the back ends. Must run on the background runtime, which drives their connections.
pub(crate) async fn open(
    config: Config,
    redis_url: Option<SecretString>,
) -> anyhow::Result<Capabilities> {
    let redis = |what: &str| {
        redis_url
            .clone()
            .with_context(|| format!("{what}.backend is \"redis\", but no URL of Redis is given"))
    };
    let kv = match config.kv.backend {
        KvBackend::Memory => zephyr_kv::Config::default(),
        KvBackend::Redb => zephyr_kv::Config::Redb {
            path: config.node.data_dir.join("kv.redb"),
        },
        KvBackend::Redis => zephyr_kv::Config::Redis(zephyr_kv::redis::Options::new(redis("kv")?)),
    };
    let kv = kv
        .open()
        .await
        .context("the key-value store cannot be opened")?;
    let limiter: Arc<dyn RateLimiter> = match config.limiter.backend {
        LimiterBackend::Memory => Arc::new(MemoryLimiter::new(config.limiter.max_keys as usize)),
        LimiterBackend::Redis => {
            let options = RedisOptions::new(redis("limiter")?);
            let limiter = RedisLimiter::connect(options);
            Arc::new(limiter.context("the limiter cannot be opened")?)
        }
    };
    Ok(Capabilities {
        kv,
        limiter,
        signatures: Arc::new(SignatureVerifier::new(SIGNATURES)),
    })
}

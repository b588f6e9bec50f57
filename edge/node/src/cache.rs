//! The response cache: the decisions are `zephyr-cache`'s, the store and the waiting are here.
//!
//! One cache serves all workers. It keeps whole answers in memory, in shards with a lock each that is
//! never held over an await. A miss streams to its client while it is collected; others that ask for
//! the same wait for it ([`flight`]). Purging marks names and touches no entry ([`tags`]).
//!
//! What a filter wrote for one client (`pending`) is not here: the pipeline applies it later.

mod answer;
mod collect;
mod flight;
mod key;
mod purge;
mod refresh;
mod serve;
mod shard;
mod stored;
mod tags;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use crate::body::Body;
use crate::error::ProxyError;
use crate::exchange::Exchange;

pub use purge::Purge;

/// How the cache is set up.
#[derive(Clone, Copy, Debug)]
pub struct CacheConfig {
    /// What all stored answers may take, in bytes.
    pub max_bytes: u64,
    /// Larger answers pass through unstored.
    pub max_object_bytes: u64,
    /// Answers kept per key for different `Vary` fields.
    pub max_variants: usize,
    /// How long a miss waits for another one's answer.
    pub collapse_timeout: Duration,
}

/// Counts since the start, and what there is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Requests answered from the store.
    pub hits: u64,
    /// Requests that went on to the upstream.
    pub misses: u64,
    /// Keys with answers, those that were purged and not yet swept included.
    pub entries: u64,
    /// Bytes they take.
    pub bytes: u64,
}

/// The cache of a node.
#[derive(Debug)]
pub struct Cache {
    config: CacheConfig,
    shards: Box<[parking_lot::Mutex<shard::Shard>]>,
    hasher: std::hash::RandomState,
    tags: tags::Tags,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// One trip to the upstream, `on-upstream` filters included.
#[async_trait(?Send)]
pub trait Fetch {
    /// Makes it. For a refresh in the background `x` is a fork of the exchange.
    async fn fetch(
        &self,
        x: &mut Exchange,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, ProxyError>;
}

/// Enough that workers rarely meet.
const SHARDS: usize = 32;

impl Cache {
    /// An empty cache.
    #[must_use]
    pub fn new(config: CacheConfig) -> Arc<Self> {
        let budget = usize::try_from(config.max_bytes / SHARDS as u64).unwrap_or(usize::MAX);
        let shard = || parking_lot::Mutex::new(shard::Shard::new(budget, config.max_variants));
        Arc::new(Self {
            config,
            shards: (0..SHARDS).map(|_| shard()).collect(),
            hasher: std::hash::RandomState::new(),
            tags: tags::Tags::new(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        })
    }

    /// Drops answers; tells how many it has met, those in flight not counted.
    pub fn purge(&self, what: &Purge) -> usize {
        match what {
            Purge::Keys(keys) => keys.iter().map(|key| self.tags.purge(key)).sum(),
            Purge::Url(url) => self.tags.purge(&purge::url_tag(url)),
            Purge::All => {
                self.tags.purge_all();
                self.shards.iter().map(|shard| shard.lock().clear()).sum()
            }
        }
    }

    /// What has happened, and what there is.
    pub fn stats(&self) -> CacheStats {
        let mut stats = CacheStats {
            hits: self.hits.load(Relaxed),
            misses: self.misses.load(Relaxed),
            ..CacheStats::default()
        };
        for shard in &self.shards {
            let shard = shard.lock();
            stats.entries += shard.len() as u64;
            stats.bytes += shard.bytes() as u64;
        }
        stats
    }

    fn shard(&self, key: &key::Key) -> &parking_lot::Mutex<shard::Shard> {
        // The map inside takes the low bits of the same hash.
        &self.shards[(key.hash() >> 48) as usize % SHARDS]
    }
}

/// The time of day, since the Unix epoch.
fn now() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

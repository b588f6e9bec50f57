//! The response cache: the decisions are `zephyr-cache`'s, the store and the waiting are here.
//!
//! One cache serves all workers. It keeps answers in memory, in shards with a lock each that is never
//! held over an await ([`shard`]), and on disk when it is given a folder ([`shelf`]). A miss streams to
//! its client while it is collected ([`fill`]); others that ask for the same follow it ([`flight`]).
//! What is too large to be one piece is stored in slices ([`slices`]).
//! Purging marks names and touches no entry ([`tags`]).
//!
//! What a filter wrote for one client (`pending`) is not here: the pipeline applies it later.

mod answer;
mod clock;
mod content;
mod fill;
mod flight;
mod forward;
mod head;
mod keep;
mod key;
mod lookup;
mod record;
mod refresh;
mod rest;
mod serve;
mod shard;
mod shelf;
mod slices;
mod splice;
mod stored;
mod tags;
mod take;
#[cfg(test)]
mod tests;
mod tier;
mod write;

use std::hash::RandomState;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::body::Body;
use crate::error::ProxyError;
use crate::exchange::Exchange;

pub(crate) use tier::keep_disk;
pub use zephyr_cache::Purge;
use zephyr_store::Purges;
pub use zephyr_store::{DiskConfig, DiskStats, OpenError};

/// How the cache is set up.
#[derive(Clone, Copy, Debug)]
pub struct CacheConfig {
    /// What all stored answers may take, in bytes.
    pub max_bytes: u64,
    /// Larger answers are not stored as one piece.
    pub max_object_bytes: u64,
    /// Those are stored in slices of this size, when they have a strong entity tag; at most as large as
    /// what memory holds. 0: they pass through.
    pub slice_bytes: u64,
    /// Answers kept per key for different `Vary` fields.
    pub max_variants: usize,
    /// How long a miss waits for another one's answer.
    pub collapse_timeout: Duration,
    /// Whether `Cache-Status` tells the key that was looked up (RFC 9211, section 2.7).
    pub status_key: bool,
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
    /// Keys whose answers had to make room.
    pub evicted: u64,
    /// Slices of large answers that came from the store.
    pub slice_hits: u64,
    /// Slices of large answers that lacked, and were fetched to be stored.
    pub slice_fills: u64,
}

/// The cache of a node.
#[derive(Debug)]
pub struct Cache {
    config: CacheConfig,
    slots: Box<[Slot]>,
    hasher: RandomState,
    tags: tags::Tags,
    clock: clock::Clock,
    /// The largest body that is stored.
    largest: u64,
    /// The largest that is held in memory.
    largest_in_memory: usize,
    /// Larger answers than the largest are cut into slices of this size; 0: they are not.
    slice_bytes: u64,
    slice_hits: AtomicU64,
    slice_fills: AtomicU64,
    tier: tier::Tier,
    /// Bytes of answers that are on their way into the store.
    filling: AtomicUsize,
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

/// An answer, or why there is none.
type Served = Result<(http::response::Parts, Body), ProxyError>;

/// A part of the keys, with what is counted for them.
#[derive(Debug)]
struct Slot {
    shard: Mutex<shard::Shard>,
    flights: Mutex<flight::Flights>,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// Enough that workers rarely meet.
const MAX_SLOTS: u64 = 32;
/// A slot holds at least so many of the largest answers: one cannot push all others out.
const LARGEST_PER_SLOT: u64 = 4;

impl Cache {
    /// An empty cache.
    #[must_use]
    pub fn new(config: CacheConfig) -> Arc<Self> {
        Self::with_clock(config, clock::Clock::System)
    }

    /// A cache with what it has on disk. Bodies larger than `memory_object_max` are on disk only. When
    /// another process has the folder the cache is in memory until it comes free ([`tier`]). This waits
    /// for the disk.
    ///
    /// # Errors
    ///
    /// [`OpenError`], when the folder cannot be used.
    pub fn on_disk(
        config: CacheConfig,
        disk: DiskConfig,
        memory_object_max: u64,
    ) -> Result<Arc<Self>, OpenError> {
        Self::on_disk_with_clock(config, disk, memory_object_max, clock::Clock::System)
    }

    fn on_disk_with_clock(
        config: CacheConfig,
        disk: DiskConfig,
        memory_object_max: u64,
        clock: clock::Clock,
    ) -> Result<Arc<Self>, OpenError> {
        let (tier, purges) = tier::Tier::open(disk)?;
        let in_memory = memory_object_max.min(config.max_object_bytes);
        Ok(Self::of(config, in_memory, tier, purges, clock))
    }

    fn with_clock(config: CacheConfig, clock: clock::Clock) -> Arc<Self> {
        let in_memory = config.max_object_bytes;
        let tier = tier::Tier::none();
        Self::of(config, in_memory, tier, Purges::in_memory(), clock)
    }

    fn of(
        config: CacheConfig,
        in_memory: u64,
        tier: tier::Tier,
        purges: Purges,
        clock: clock::Clock,
    ) -> Arc<Self> {
        let room = config.max_bytes / in_memory.max(1) / LARGEST_PER_SLOT;
        let slots = 1 << room.clamp(1, MAX_SLOTS).ilog2();
        let budget = usize::try_from(config.max_bytes / slots).unwrap_or(usize::MAX);
        let in_memory = usize::try_from(in_memory).unwrap_or(usize::MAX).min(budget);
        let largest = config.max_object_bytes.min(tier.largest());
        let largest = largest.max(in_memory as u64);
        let slot = || Slot {
            shard: Mutex::new(shard::Shard::new(budget, config.max_variants)),
            flights: Mutex::default(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        };
        Arc::new(Self {
            config,
            slots: (0..slots).map(|_| slot()).collect(),
            hasher: RandomState::new(),
            tags: tags::Tags::new(purges),
            clock,
            largest,
            largest_in_memory: in_memory,
            slice_bytes: config.slice_bytes.min(in_memory as u64),
            slice_hits: AtomicU64::new(0),
            slice_fills: AtomicU64::new(0),
            tier,
            filling: AtomicUsize::new(0),
        })
    }

    /// Drops answers; tells how many it has met. One is counted once for each of its names, and again
    /// when it was purged before and has not been swept yet.
    pub fn purge(&self, what: &Purge) -> usize {
        match what {
            Purge::Keys(keys) => keys
                .iter()
                .map(|key| self.tags.purge(zephyr_cache::Name::Key(key)))
                .sum(),
            Purge::Url(url) => self.tags.purge(zephyr_cache::purge::Url::of(url).name()),
            Purge::Prefix(prefix) => {
                let folder = zephyr_cache::purge::Url::of(prefix);
                self.tags.purge(folder.folder())
            }
            Purge::All => {
                self.tags.purge_all();
                if let Some(disk) = self.tier.get() {
                    disk.clear();
                }
                self.slots
                    .iter()
                    .map(|slot| slot.shard.lock().clear())
                    .sum()
            }
        }
    }

    /// Makes answers stale: they have to be validated, and may still stand in where a stale one may
    /// (RFC 5861). Tells how many it has met, as [`Cache::purge`].
    pub fn purge_softly(&self, what: &Purge) -> usize {
        use zephyr_cache::{Name, purge::Url};
        let now = self.now();
        let softly = |name: Name<'_>| self.tags.purge_softly(name, now);
        match what {
            Purge::Keys(keys) => keys.iter().map(|key| softly(Name::Key(key))).sum(),
            Purge::Url(url) => softly(Url::of(url).name()),
            Purge::Prefix(prefix) => softly(Url::of(prefix).folder()),
            Purge::All => {
                self.tags.purge_all_softly(now);
                usize::try_from(self.stats().entries).unwrap_or(usize::MAX)
            }
        }
    }

    /// Grows with every purge: an answer whose fetch begins at this number or later is not met by the
    /// purges before.
    pub fn purge_sequence(&self) -> u64 {
        self.tags.begin()
    }

    /// What has happened, and what there is.
    pub fn stats(&self) -> CacheStats {
        let mut stats = CacheStats {
            slice_hits: self.slice_hits.load(Relaxed),
            slice_fills: self.slice_fills.load(Relaxed),
            ..CacheStats::default()
        };
        for slot in &self.slots {
            stats.hits += slot.hits.load(Relaxed);
            stats.misses += slot.misses.load(Relaxed);
            let shard = slot.shard.lock();
            stats.entries += shard.len() as u64;
            stats.bytes += shard.bytes() as u64;
            stats.evicted += shard.evicted();
        }
        stats
    }

    /// The same of the disk tier, when there is to be one. It is down while another process has its
    /// folder.
    pub fn disk_stats(&self) -> Option<DiskStats> {
        self.tier.stats()
    }

    /// Waits until what was purged so far stays purged, whatever happens to this process.
    pub async fn purges_written(&self) {
        self.tags.written().await;
    }

    fn slot(&self, hash: u64) -> &Slot {
        // The table inside takes the low bits of the same hash, and the seven highest.
        &self.slots[(hash >> 40) as usize & (self.slots.len() - 1)]
    }

    fn count_miss(&self, hash: u64) {
        self.slot(hash).misses.fetch_add(1, Relaxed);
    }

    /// The time of day, since the Unix epoch.
    fn now(&self) -> Duration {
        self.clock.now()
    }
}

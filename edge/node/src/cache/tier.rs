//! Whether the disk tier is there. Only one process can have a cache's folder: at a takeover it changes
//! hands ([`crate::takeover`]), and a process that finds it taken caches in memory until it comes free.
//!
//! Purges go on all the while, and hold for what is found in the folder later
//! ([`zephyr_store::Purges::beside`]).

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use zephyr_store::{Disk, DiskConfig, DiskStats, OpenError, Purges};

use super::Cache;

/// How often a process looks whether the folder has come free.
const RETRY: Duration = Duration::from_secs(1);

/// The disk tier, or its place.
#[derive(Debug)]
pub(super) struct Tier {
    /// None: there is never one.
    config: Option<DiskConfig>,
    disk: ArcSwapOption<Disk>,
    /// Held while it comes or goes.
    turn: Mutex<()>,
    /// Whether it is to be opened as soon as that can be done.
    wanted: watch::Sender<bool>,
}

impl Tier {
    pub(super) fn none() -> Self {
        Self::of(None, None)
    }

    fn of(config: Option<DiskConfig>, disk: Option<Disk>) -> Self {
        let wanted = config.is_some() && disk.is_none();
        Self {
            config,
            disk: ArcSwapOption::new(disk.map(Arc::new)),
            turn: Mutex::default(),
            wanted: watch::Sender::new(wanted),
        }
    }

    /// Opens it, or waits for it when another process has the folder.
    pub(super) fn open(config: DiskConfig) -> Result<(Self, Purges), OpenError> {
        match Disk::open(config.clone()) {
            Ok((disk, purges)) => Ok((Self::of(Some(config), Some(disk)), purges)),
            Err(error @ OpenError::InUse { .. }) => {
                tracing::warn!(%error, "the cache is in memory until its folder comes free: {error}");
                let purges = Purges::beside(&config.path);
                Ok((Self::of(Some(config), None), purges))
            }
            Err(error) => Err(error),
        }
    }

    /// The disk tier, when it is there.
    pub(super) fn get(&self) -> Option<Arc<Disk>> {
        self.disk.load_full()
    }

    /// The largest body that is stored, in bytes; 0 without a disk tier.
    pub(super) fn largest(&self) -> u64 {
        self.config.as_ref().map_or(0, DiskConfig::largest)
    }

    pub(super) fn stats(&self) -> Option<DiskStats> {
        self.config.as_ref()?;
        let absent = DiskStats {
            is_down: true,
            ..DiskStats::default()
        };
        Some(self.get().map_or(absent, |disk| disk.stats()))
    }
}

impl Cache {
    /// Writes what waits for the disk and lets go of its folder, for another process; from here on
    /// the cache is in memory. This waits for the disk.
    pub(crate) fn let_go_of_disk(&self) {
        let _turn = self.tier.turn.lock();
        self.tier.wanted.send_replace(false);
        if let Some(disk) = self.tier.disk.swap(None) {
            disk.close();
            self.tags.purges().detach();
            tracing::info!("let go of the cache's folder");
        }
    }

    /// Has the disk tier opened again, now that nobody takes this node's place.
    pub(crate) fn want_disk(&self) {
        if self.tier.config.is_some() && self.tier.get().is_none() {
            self.tier.wanted.send_replace(true);
        }
    }

    /// Opens the disk tier if it is wanted.
    pub(super) fn take_disk(&self) -> Result<(), OpenError> {
        let _turn = self.tier.turn.lock();
        let Some(config) = &self.tier.config else {
            return Ok(());
        };
        if !*self.tier.wanted.borrow() {
            return Ok(());
        }
        let mut config = config.clone();
        config.patience = Duration::ZERO;
        let disk = Disk::open_for(config, self.tags.purges())?;
        self.tier.disk.store(Some(Arc::new(disk)));
        self.tier.wanted.send_replace(false);
        tracing::info!("the cache has its folder, with what is on disk");
        Ok(())
    }
}

/// Opens the disk tier whenever it is wanted and its folder is free, until stopped.
pub(crate) async fn keep_disk(cache: Arc<Cache>, stopped: CancellationToken) {
    let mut wanted = cache.tier.wanted.subscribe();
    let keep = async {
        while wanted.wait_for(|wanted| *wanted).await.is_ok() {
            let taking = Arc::clone(&cache);
            let taken = tokio::task::spawn_blocking(move || taking.take_disk()).await;
            match taken {
                Ok(Ok(())) => continue,
                Ok(Err(OpenError::InUse { .. })) => {}
                Ok(Err(error)) => tracing::error!(%error, "the cache stays in memory: {error}"),
                Err(error) => tracing::error!(%error, "opening the cache's folder failed: {error}"),
            }
            tokio::time::sleep(RETRY).await;
        }
    };
    tokio::select! {
        () = keep => {}
        () = stopped.cancelled() => {}
    }
}

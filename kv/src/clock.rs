//! The time by which values expire, as a value, so that tests set it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Tells the time since the Unix epoch.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Duration;
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Duration {
        (**self).now()
    }
}

/// The host's time of day. For what outlives the process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wall;

impl Clock for Wall {
    fn now(&self) -> Duration {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
    }
}

/// The time of day at its creation and a steady clock from there: when the host's clock is set,
/// nothing expires early or late. For what lives and dies with the process.
#[derive(Clone, Copy, Debug)]
pub struct Steady {
    started: Instant,
    epoch: Duration,
}

impl Default for Steady {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            epoch: Wall.now(),
        }
    }
}

impl Clock for Steady {
    fn now(&self) -> Duration {
        self.epoch + self.started.elapsed()
    }
}

/// A clock that stands still until it is told to go on.
#[derive(Debug, Default)]
pub struct Manual(AtomicU64);

impl Manual {
    /// A clock at this time since the epoch, in whole milliseconds.
    #[must_use]
    pub fn at(now: Duration) -> Self {
        Self(AtomicU64::new(millis(now)))
    }

    /// Goes on by this much, in whole milliseconds.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(millis(by), Ordering::SeqCst);
    }
}

impl Clock for Manual {
    fn now(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Whole milliseconds since the epoch, as the back ends keep them.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

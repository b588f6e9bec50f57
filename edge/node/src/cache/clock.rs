//! The time of day, which lifetimes and dates are measured in.

use std::time::{Duration, SystemTime};

/// Where the time comes from.
#[derive(Debug)]
pub(super) enum Clock {
    /// The system's clock. It may be set back: an answer is then as old as when it arrived.
    System,
    /// Seconds since the Unix epoch, moved by a test.
    #[cfg(test)]
    Set(std::sync::Arc<std::sync::atomic::AtomicU64>),
}

impl Clock {
    /// Since the Unix epoch.
    pub(super) fn now(&self) -> Duration {
        match self {
            Self::System => SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default(),
            #[cfg(test)]
            Self::Set(seconds) => {
                Duration::from_secs(seconds.load(std::sync::atomic::Ordering::SeqCst))
            }
        }
    }
}

//! The time of day.

use std::time::Duration;

/// Tells the time. A policy never reads a clock of its own.
pub trait Clock {
    /// Time since the Unix epoch.
    fn now(&self) -> Duration;
}

//! Lines in the host's log.

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For whoever looks into one request.
    Debug,
    /// Something worth knowing.
    Info,
    /// Something is off, and the request went on.
    Warn,
    /// Something failed.
    Error,
}

/// Writes to the host's log. Never log tokens, passwords or bodies.
pub trait Log {
    /// Writes a line; past 1 KiB it is cut.
    fn log(&self, level: Level, message: &str);
}

//! `[log]`: what the node logs.

use serde::Deserialize;

/// What the node logs.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// One JSON line a request on standard output.
    pub access: bool,
}

impl Default for Log {
    fn default() -> Self {
        Self { access: true }
    }
}

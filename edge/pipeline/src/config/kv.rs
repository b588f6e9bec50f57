//! `[kv]`: keys and values of filters.

use serde::Deserialize;

/// Keys and values of filters.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Kv {
    /// Where they are kept.
    pub backend: KvBackend,
    /// The environment variable that holds the URL of Redis; its value is passed in at start.
    pub redis_url_env: Option<String>,
}

/// Where keys and values are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KvBackend {
    /// In the node's memory.
    #[default]
    Memory,
    /// In a file in the data folder.
    Redb,
    /// In Redis, shared by all nodes of a site.
    Redis,
}

//! `[cache]`: the response cache.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::quantity::{self, Size};

/// The response cache.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheSection {
    /// What all answers in memory may take.
    pub max_bytes: Size,
    /// Larger answers pass through unstored.
    pub max_object_bytes: Size,
    /// Larger answers than that are stored in slices of this size, when they have a strong entity tag.
    /// 0: they pass through.
    #[serde(deserialize_with = "slice")]
    pub slice_bytes: Size,
    /// Answers kept per URL for different `Vary` fields.
    #[serde(deserialize_with = "quantity::at_least_one")]
    pub max_variants: u32,
    /// How long a miss waits for another one's answer.
    #[serde(deserialize_with = "quantity::duration")]
    pub collapse_timeout: Duration,
    /// Whether `Cache-Status` tells the key that was looked up (RFC 9211, section 2.7).
    pub status_key: bool,
    /// A folder for answers that do not fit memory, and that outlive a restart. None: memory only.
    pub disk_path: Option<PathBuf>,
    /// What all files in it may take.
    pub disk_max_bytes: Size,
    /// Larger answers are on disk only. Without a folder this means nothing.
    pub memory_object_max: Size,
    /// What may wait to be written; what does not fit is not stored on disk.
    pub disk_write_buffer: Size,
}

impl CacheSection {
    /// A relative path is looked up beside the configuration file.
    pub(super) fn resolve(mut self, base_dir: &Path) -> Self {
        self.disk_path = self.disk_path.map(|path| base_dir.join(path));
        self
    }
}

impl Default for CacheSection {
    fn default() -> Self {
        Self {
            max_bytes: Size::mib(256),
            max_object_bytes: Size::mib(16),
            slice_bytes: Size::mib(1),
            max_variants: 32,
            collapse_timeout: Duration::from_secs(10),
            status_key: false,
            disk_path: None,
            disk_max_bytes: Size::mib(10 * 1024),
            memory_object_max: Size::mib(1),
            disk_write_buffer: Size::mib(32),
        }
    }
}

/// Smaller slices cost more than they are worth.
const MIN_SLICE: Size = Size::kib(64);
/// Larger ones are not what slices are for: two of them are in memory for each request on its way.
const MAX_SLICE: Size = Size::mib(16);

fn slice<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
    let size = Size::deserialize(deserializer)?;
    if size != Size(0) && !(MIN_SLICE..=MAX_SLICE).contains(&size) {
        return Err(serde::de::Error::custom(format!(
            "{size} is not a size of slices: {MIN_SLICE} to {MAX_SLICE}, or \"0B\" for none"
        )));
    }
    Ok(size)
}

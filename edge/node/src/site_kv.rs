//! The site's own keys and values, as the control plane gives them. Filters read them below `site/`
//! and never write them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

/// Where the site's keys and values are kept for filters.
#[derive(Clone, Debug)]
pub(crate) struct SiteKv(Arc<dyn zephyr_kv::Store>);

impl SiteKv {
    pub(crate) fn new(store: Arc<dyn zephyr_kv::Store>) -> Self {
        Self(store)
    }

    /// Sets a key, or deletes it. A key outside of `site/` is not the control plane's to write.
    pub(crate) async fn set(&self, key: &str, value: Option<&str>) -> Result<(), zephyr_kv::Error> {
        if !key.starts_with("site/") {
            tracing::warn!(
                key,
                "the control plane sent a key outside of `site/`; ignored"
            );
            return Ok(());
        }
        match value {
            Some(value) => {
                self.0
                    .set(key, Bytes::copy_from_slice(value.as_bytes()), None)
                    .await
            }
            None => self.0.delete(key).await.map(drop),
        }
    }

    /// Brings what is there from one state to another.
    pub(crate) async fn replace(
        &self,
        old: &BTreeMap<String, String>,
        new: &BTreeMap<String, String>,
    ) -> Result<(), zephyr_kv::Error> {
        for key in old.keys().filter(|key| !new.contains_key(*key)) {
            self.set(key, None).await?;
        }
        for (key, value) in new {
            self.set(key, Some(value)).await?;
        }
        Ok(())
    }
}

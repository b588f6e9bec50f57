//! An open key-value store of a Spin application: the part of the node's store below
//! `spin/<label>/`.

use std::sync::Arc;

use bytes::Bytes;
use zephyr_kv::bounds::MAX_PAGE;
use zephyr_kv::{Error, Store};

/// The most keys that are listed at once where the interface has no pages.
const MAX_KEYS: usize = 100_000;

/// An open key-value store.
#[derive(Clone, Debug)]
#[expect(unreachable_pub, reason = "generated code re-exports it")]
pub struct Bucket {
    kv: Arc<dyn Store>,
    prefix: Arc<str>,
}

impl Bucket {
    /// Labels hold no `/`, so no store lies inside of another.
    pub(super) fn new(kv: &Arc<dyn Store>, label: &str) -> Self {
        Self {
            kv: Arc::clone(kv),
            prefix: format!("spin/{label}/").into(),
        }
    }

    fn key(&self, key: &str) -> Result<String, String> {
        if key.is_empty() {
            // The name space's own prefix would be a key of its own.
            return Err("the key is empty".to_owned());
        }
        Ok(format!("{}{key}", self.prefix))
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<Bytes>, String> {
        self.kv.get(&self.key(key)?).await.map_err(told)
    }

    pub(super) async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), String> {
        let set = self.kv.set(&self.key(key)?, value.into(), None).await;
        set.map_err(told)
    }

    pub(super) async fn delete(&self, key: &str) -> Result<(), String> {
        let deleted = self.kv.delete(&self.key(key)?).await;
        deleted.map(drop).map_err(told)
    }

    pub(super) async fn exists(&self, key: &str) -> Result<bool, String> {
        Ok(self.get(key).await?.is_some())
    }

    /// Sets a key if its value is still what it was. Atomic in the store, so also between instances,
    /// threads and, with Redis, nodes.
    pub(super) async fn swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: Vec<u8>,
    ) -> Result<bool, String> {
        let key = self.key(key)?;
        let swapped = self.kv.compare_and_set(&key, expected, value.into(), None);
        swapped.await.map_err(told)
    }

    pub(super) async fn increment(&self, key: &str, by: i64) -> Result<i64, String> {
        let sum = self.kv.increment(&self.key(key)?, by, None).await;
        sum.map_err(told)
    }

    /// A page of keys, and where the next one begins.
    pub(super) async fn page(
        &self,
        cursor: Option<&str>,
    ) -> Result<(Vec<String>, Option<String>), String> {
        let after = cursor.map(|cursor| format!("{}{cursor}", self.prefix));
        let page = self.kv.list(&self.prefix, after.as_deref(), MAX_PAGE);
        let page = page.await.map_err(told)?;
        let bare = |key: String| key.strip_prefix(&*self.prefix).map(str::to_owned);
        let keys = page.keys.into_iter().filter_map(bare).collect();
        Ok((keys, page.next.and_then(bare)))
    }

    /// All keys.
    pub(super) async fn keys(&self) -> Result<Vec<String>, String> {
        let (mut all, mut cursor) = (Vec::new(), None);
        loop {
            let (keys, next) = self.page(cursor.as_deref()).await?;
            all.extend(keys);
            cursor = next;
            if cursor.is_none() {
                return Ok(all);
            }
            if all.len() >= MAX_KEYS {
                return Err(format!("the store has more than {MAX_KEYS} keys"));
            }
        }
    }
}

/// What a component is told. Errors of the store name no keys and no values.
fn told(error: Error) -> String {
    match error {
        Error::Invalid(why) => why,
        error => {
            tracing::debug!(%error, "A component's key-value call failed");
            error.to_string()
        }
    }
}

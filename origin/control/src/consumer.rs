//! Events that concern caches become purges.

use async_trait::async_trait;
use zephyr_db::{Db, DbError};
use zephyr_origin_core::{Consumer, ConsumerError, Event};

use crate::model::{Purge, PurgeParams};
use crate::store;

/// Takes in `listing.*` events: their `surrogate_keys` are purged everywhere.
#[derive(Clone, Debug)]
pub struct PurgeOnEvent {
    db: Db,
}

impl PurgeOnEvent {
    /// A consumer over this database.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db }
    }

    async fn take(&self, event: &Event, purge: &Purge) -> Result<(), DbError> {
        let mut tx = self.db.begin().await?;
        if store::INBOX.is_new(&mut tx, event.id).await? {
            let payload = serde_json::to_value(purge).unwrap_or_default();
            store::append(&mut tx, "purge", &payload).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

#[async_trait]
impl Consumer for PurgeOnEvent {
    fn name(&self) -> &'static str {
        "control"
    }

    fn wants(&self, kind: &str) -> bool {
        kind.starts_with("listing.")
    }

    async fn consume(&self, event: &Event) -> Result<(), ConsumerError> {
        let keys = serde_json::from_value(event.payload["surrogate_keys"].clone());
        let purge = keys.ok().and_then(|keys: Vec<String>| {
            PurgeParams {
                keys: Some(keys),
                url: None,
                prefix: None,
                all: None,
                soft: false,
            }
            .checked()
            .ok()
        });
        let Some(purge) = purge else {
            // Trying again would not mend it, and would hold back all that is behind it.
            tracing::error!(event.id = %event.id, kind = event.kind, "An event without usable surrogate keys was left out");
            return Ok(());
        };
        self.take(event, &purge)
            .await
            .map_err(|error| ConsumerError(error.into()))
    }
}

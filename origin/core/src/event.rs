//! Events: what a service tells the others, through its outbox.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

/// Something that happened, in the past tense.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The event's own id; consumers use it to recognise one that comes twice.
    pub id: Uuid,
    /// `<noun>.<past participle>`, for example `listing.created`.
    pub kind: String,
    /// What it happened to; events of one key are handed on in order.
    pub key: String,
    /// Facts, as plain JSON.
    pub payload: Value,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub occurred_at: OffsetDateTime,
}

impl Event {
    /// An event that happens now.
    #[must_use]
    pub fn new(kind: impl Into<String>, key: impl Into<String>, payload: Value) -> Self {
        Self {
            id: crate::new_id(),
            kind: kind.into(),
            key: key.into(),
            payload,
            occurred_at: OffsetDateTime::now_utc(),
        }
    }
}

/// Takes events in. Delivery is at least once: a consumer recognises an event's id.
#[async_trait]
pub trait Consumer: Send + Sync + 'static {
    /// The consumer's name, unique in the origin; it names its inbox.
    fn name(&self) -> &'static str;
    /// Whether it wants events of this kind.
    fn wants(&self, kind: &str) -> bool;
    /// Takes one event in.
    ///
    /// # Errors
    ///
    /// The relay tries again later, and keeps the events behind it back.
    async fn consume(&self, event: &Event) -> Result<(), ConsumerError>;
}

/// Why an event was not taken in.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConsumerError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

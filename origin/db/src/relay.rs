//! The relay: hands events from the outboxes to the consumers of this process.
//!
//! Every origin runs one. An advisory lock per outbox lets one of them work at a time, so events
//! keep their order; the others take over when it stops. Events are deleted once all consumers have
//! taken them in: a crash in between hands them on twice, which the [inbox](mod@crate::inbox) absorbs.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use zephyr_origin_core::{Consumer, Event};

use crate::outbox::{CHANNEL, Outbox};
use crate::{Db, DbError, Waker};

/// How long the relay sleeps when nothing wakes it: a lost notification costs this much.
const POLL: Duration = Duration::from_secs(1);
/// The pause after a failure, of the database or of a consumer.
const BACK_OFF: Duration = Duration::from_millis(500);

/// Hands events on.
pub struct Relay {
    db: Db,
    outboxes: Vec<Outbox>,
    consumers: Vec<Arc<dyn Consumer>>,
}

/// What waits in one outbox.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The outbox's schema.
    pub schema: &'static str,
    /// Events in it.
    pub events: i64,
    /// Age of the oldest, in seconds.
    pub oldest_seconds: f64,
}

impl Relay {
    /// A relay between these.
    #[must_use]
    pub fn new(db: Db, outboxes: Vec<Outbox>, consumers: Vec<Arc<dyn Consumer>>) -> Self {
        Self {
            db,
            outboxes,
            consumers,
        }
    }

    /// Works until told to stop. Survives a database that goes and comes back.
    pub async fn run(self, stop: CancellationToken) {
        let mut waker = Waker::new(CHANNEL);
        while !stop.is_cancelled() {
            // Before the pass: what commits during it wakes the next one.
            waker.listen(&self.db).await;
            let pause = match self.pass().await {
                Ok(()) => POLL,
                Err(error) => {
                    tracing::warn!(%error, "The outbox relay will try again: {error}");
                    BACK_OFF
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
                () = waker.woken() => {}
            }
        }
    }

    /// Hands on all that waits. An event that cannot be handed on holds back what is behind it in its
    /// outbox, and nothing in the others.
    ///
    /// # Errors
    ///
    /// The database or a consumer failed: the first failure. What was handed on stays handed on.
    pub async fn pass(&self) -> Result<(), RelayError> {
        let mut failed = None;
        for outbox in &self.outboxes {
            loop {
                match self.batch(outbox).await {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        failed.get_or_insert(error);
                        break;
                    }
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Hands on up to a hundred events; false when none is left or another relay is at it.
    async fn batch(&self, outbox: &Outbox) -> Result<bool, RelayError> {
        let mut transaction = self.db.begin().await?;
        let mine: bool =
            sqlx::query_scalar("select pg_try_advisory_xact_lock(hashtext('outbox.' || $1))")
                .bind(outbox.schema)
                .fetch_one(&mut *transaction)
                .await
                .map_err(DbError::from)?;
        if !mine {
            return Ok(false);
        }
        let rows: Vec<(
            Uuid,
            String,
            String,
            serde_json::Value,
            time::OffsetDateTime,
        )> = sqlx::query_as(outbox.take)
            .fetch_all(&mut *transaction)
            .await
            .map_err(DbError::from)?;
        let full = rows.len() == 100;
        let mut done = Vec::with_capacity(rows.len());
        let mut failed = None;
        for (id, kind, key, payload, occurred_at) in rows {
            let event = Event {
                id,
                kind,
                key,
                payload,
                occurred_at,
            };
            match self.hand_on(&event).await {
                Ok(()) => done.push(id),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        sqlx::query(outbox.delete)
            .bind(&done)
            .execute(&mut *transaction)
            .await
            .map_err(DbError::from)?;
        transaction.commit().await.map_err(DbError::from)?;
        failed.map_or(Ok(full), Err)
    }

    async fn hand_on(&self, event: &Event) -> Result<(), RelayError> {
        for consumer in self
            .consumers
            .iter()
            .filter(|consumer| consumer.wants(&event.kind))
        {
            consumer
                .consume(event)
                .await
                .map_err(|error| RelayError::Consumer {
                    consumer: consumer.name(),
                    kind: event.kind.clone(),
                    event: event.id,
                    error,
                })?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay")
            .field("outboxes", &self.outboxes)
            .finish_non_exhaustive()
    }
}

/// Why a pass ended early.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A consumer.
    #[error("consumer {consumer} did not take {kind} {event} in: {error}")]
    Consumer {
        /// Its name.
        consumer: &'static str,
        /// The event's kind.
        kind: String,
        /// The event.
        event: Uuid,
        /// Why.
        error: zephyr_origin_core::ConsumerError,
    },
}

/// How much waits in the outboxes.
///
/// # Errors
///
/// The database is away.
pub async fn waiting(db: &Db, outboxes: &[Outbox]) -> Result<Vec<Waiting>, DbError> {
    let mut all = Vec::with_capacity(outboxes.len());
    for outbox in outboxes {
        let (events, oldest): (i64, Option<f64>) =
            sqlx::query_as(outbox.waiting).fetch_one(db.read()).await?;
        let oldest_seconds = oldest.unwrap_or_default();
        all.push(Waiting {
            schema: outbox.schema,
            events,
            oldest_seconds,
        });
    }
    Ok(all)
}

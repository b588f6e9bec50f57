//! Use cases.

use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::SecretString;
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use zephyr_db::outbox::Outbox;
use zephyr_db::{Db, DbError, relay};
use zephyr_origin_core::ApiError;

use crate::model::{Confirmation, Health, NodeView, OutboxView, Purge, Receipt};
use crate::stream::Source;
use crate::{feed, store};

/// How long a purge waits for the nodes' word, and how often it looks: they heartbeat every five
/// seconds, to whichever origin.
const CONFIRMATION: (Duration, Duration) = (Duration::from_secs(12), Duration::from_millis(200));

/// What the service needs.
#[derive(Clone, Debug)]
pub struct ControlOptions {
    /// With which edge nodes join.
    pub edge_token: SecretString,
    /// With which operators come.
    pub admin_token: SecretString,
    /// Outboxes whose lag is part of the origin's health.
    pub outboxes: Vec<Outbox>,
}

/// The service.
#[derive(Clone, Debug)]
pub struct Control {
    pub(crate) db: Db,
    pub(crate) edge_token: Arc<SecretString>,
    pub(crate) admin_token: Arc<SecretString>,
    outboxes: Vec<Outbox>,
    head: watch::Sender<i64>,
    stop: CancellationToken,
}

impl Control {
    /// The service over a database. Streams end when `stop` says so.
    #[must_use]
    pub fn new(db: Db, options: ControlOptions, stop: CancellationToken) -> Self {
        Self {
            db,
            edge_token: Arc::new(options.edge_token),
            admin_token: Arc::new(options.admin_token),
            outboxes: options.outboxes,
            head: watch::Sender::new(0),
            stop,
        }
    }

    /// Wakes the streams when the log grows; runs beside requests until stopped.
    pub async fn follow(self) {
        feed::follow(self.db, self.head, self.stop).await;
    }

    /// Drops answers from the caches of all nodes.
    ///
    /// # Errors
    ///
    /// The database is away.
    pub(crate) async fn purge(&self, purge: &Purge, soft: bool) -> Result<Receipt, ApiError> {
        let mut payload = serde_json::to_value(purge).map_err(ApiError::internal)?;
        if soft {
            payload["soft"] = json!(true);
        }
        let mut tx = self.db.begin().await?;
        let seq = store::append(&mut tx, "purge", &payload).await?;
        tx.commit().await.map_err(DbError::from)?;
        tracing::info!(seq, "Purge {payload} is change {seq}");
        Ok(Receipt::of(seq))
    }

    /// Which nodes have followed the log up to a change. Waits for those that are alive, for a while.
    ///
    /// # Errors
    ///
    /// The database is away.
    pub(crate) async fn confirmation(&self, seq: i64) -> Result<Receipt, ApiError> {
        let deadline = Instant::now() + CONFIRMATION.0;
        loop {
            let (confirmed, waiting): (Vec<_>, Vec<_>) = self
                .nodes()
                .await?
                .into_iter()
                .filter(|node| node.state == "alive")
                .partition(|node| node.heartbeat.seq >= seq);
            if waiting.is_empty() || Instant::now() >= deadline || self.stop.is_cancelled() {
                let names = |nodes: Vec<NodeView>| {
                    let names = nodes.into_iter().map(|node| node.heartbeat.node);
                    names.collect()
                };
                let (confirmed, waiting) = (names(confirmed), names(waiting));
                let nodes = Some(Confirmation { confirmed, waiting });
                return Ok(Receipt { seq, nodes });
            }
            tokio::time::sleep(CONFIRMATION.1).await;
        }
    }

    /// Sets a key of the site, on every node. Nothing happens when it has that value.
    ///
    /// # Errors
    ///
    /// The database is away.
    pub async fn publish(&self, key: &str, value: &str) -> Result<(), DbError> {
        let mut tx = self.db.begin().await?;
        if store::value(&mut tx, key).await?.as_deref() != Some(value) {
            let payload = json!({ "key": key, "value": value });
            let seq = store::append(&mut tx, "kv", &payload).await?;
            store::set_value(&mut tx, key, value, seq).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    pub(crate) fn source(&self) -> Source {
        let (head, stop) = (self.head.subscribe(), self.stop.clone());
        Source {
            db: self.db.clone(),
            head,
            stop,
        }
    }

    pub(crate) async fn nodes(&self) -> Result<Vec<NodeView>, ApiError> {
        let head = store::head(&self.db).await?;
        let view = |node: store::Node| NodeView {
            behind: (head - node.heartbeat.seq).max(0),
            state: if node.alive { "alive" } else { "lost" },
            heartbeat: node.heartbeat.0,
            first_seen: node.first_seen,
            last_seen: node.last_seen,
        };
        Ok(store::nodes(&self.db)
            .await?
            .into_iter()
            .map(view)
            .collect())
    }

    /// What the nodes that are alive report, equal ones together.
    pub(crate) async fn in_force<T: PartialEq>(
        &self,
        of: impl Fn(NodeView) -> Vec<T>,
    ) -> Result<Vec<(T, Vec<String>)>, ApiError> {
        let mut all: Vec<(T, Vec<String>)> = Vec::new();
        for node in self
            .nodes()
            .await?
            .into_iter()
            .filter(|node| node.state == "alive")
        {
            let name = node.heartbeat.node.clone();
            for what in of(node) {
                match all.iter_mut().find(|known| known.0 == what) {
                    Some(known) => known.1.push(name.clone()),
                    None => all.push((what, vec![name.clone()])),
                }
            }
        }
        Ok(all)
    }

    pub(crate) async fn health(&self) -> Result<Health, ApiError> {
        let asked = Instant::now();
        self.db.ping().await?;
        let database_ms = asked.elapsed().as_secs_f64() * 1000.0;
        let seq = store::head(&self.db).await?;
        let nodes = self.nodes().await?;
        let nodes_alive = nodes.iter().filter(|node| node.state == "alive").count();
        let nodes_lost = nodes.len() - nodes_alive;
        let outboxes: Vec<OutboxView> = relay::waiting(&self.db, &self.outboxes)
            .await?
            .into_iter()
            .map(|outbox| OutboxView {
                service: outbox.schema,
                waiting: outbox.events,
                oldest_seconds: outbox.oldest_seconds,
            })
            .collect();
        let late = outboxes.iter().any(|outbox| outbox.oldest_seconds > 60.0);
        let status = if late || nodes_lost > 0 {
            "degraded"
        } else {
            "ok"
        };
        Ok(Health {
            status,
            database_ms,
            seq,
            nodes_alive,
            nodes_lost,
            outboxes,
        })
    }
}

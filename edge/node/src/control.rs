//! The node's side of the control plane: it follows the origin's change log, and reports.
//!
//! One long answer of `GET /control/changes` carries the changes as lines of JSON; after a break the
//! node asks for what came after the last one it has. What it has is kept in `control.json` in the
//! data folder, so that a node that starts while the origin is away starts with its last good state.

mod origin;
mod state;
mod stream;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

pub(crate) use state::State;

use zephyr_edge_pipeline::control::{Change, Kind};

use crate::config::Control;
use crate::report;
use crate::shared::Shared;
use crate::site_kv::SiteKv;

/// Follows the log and reports until told to stop. Never gives up: the origin may be away.
pub(crate) struct Client {
    pub(crate) node: Arc<Shared>,
    pub(crate) config: Control,
    pub(crate) token: SecretString,
    pub(crate) kv: SiteKv,
    pub(crate) state: State,
    pub(crate) http_addr: SocketAddr,
}

/// The shortest and the longest pause before the stream is opened again.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

impl Client {
    /// Runs until told to stop.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let reports = Reports {
            node: Arc::clone(&self.node),
            config: self.config.clone(),
            token: self.token.clone(),
            http_addr: self.http_addr,
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = reports.run() => {}
            () = self.follow() => {}
        }
    }

    async fn follow(&mut self) {
        let mut pause = BACK_OFF.0;
        let mut quiet = false;
        loop {
            let before = self.state.seq;
            let ended = stream::follow(self).await;
            let origin = &self.config.url;
            match ended {
                Ok(()) => {
                    tracing::info!("the control stream of {origin} has ended; opening it again");
                }
                Err(error) if quiet => tracing::debug!(%error, "no control stream from {origin}"),
                Err(error) => {
                    tracing::warn!(%error, "no control stream from {origin}: {error}; trying again");
                    quiet = true;
                }
            }
            if self.state.seq != before || self.state.fresh {
                (pause, quiet) = (BACK_OFF.0, false);
                self.state.fresh = false;
            }
            tokio::time::sleep(jittered(pause)).await;
            pause = (pause * 2).min(BACK_OFF.1);
        }
    }

    /// Takes in one change.
    pub(super) async fn apply(&mut self, change: Change) -> Result<(), stream::Error> {
        let mut seq = change.seq;
        let mut changed = self.state.seq != Some(seq);
        match change.kind {
            Kind::Hello { kv, reset } => {
                // A log that ends before what this node has is another log.
                let another = self.state.seq.is_some_and(|known| known > seq);
                if reset || another {
                    tracing::info!(
                        seq,
                        "the control log has moved on too far; dropping all stored answers"
                    );
                    self.node.cache.purge(&crate::cache::Purge::All);
                    self.node.cache.purges_written().await;
                } else if let Some(known) = self.state.seq {
                    // What lies between comes line by line; only then does it count as taken in.
                    seq = known;
                }
                changed = true;
                self.kv.replace(&self.state.kv, &kv).await?;
                self.state.kv = kv;
                self.state.fresh = true;
                tracing::info!(
                    seq,
                    "following the control log of {} from {seq}",
                    self.config.url
                );
            }
            Kind::Purge { purge } => {
                let dropped = self.node.cache.purge(&purge);
                // Not counted as taken in before it outlives this process.
                self.node.cache.purges_written().await;
                tracing::info!(seq, dropped, "purged {dropped} stored answers");
            }
            Kind::Kv { key, value } => {
                self.kv.set(&key, value.as_deref()).await?;
                match value {
                    Some(value) => drop(self.state.kv.insert(key, value)),
                    None => drop(self.state.kv.remove(&key)),
                }
            }
            Kind::Ping => {}
        }
        if changed {
            self.state.seq = Some(seq);
            self.node.control_seq.store(seq, Relaxed);
            self.state.save().await;
        }
        Ok(())
    }
}

/// Half to one and a half of a pause, so that nodes that lost their origin together do not all come
/// back at once.
fn jittered(pause: Duration) -> Duration {
    let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
    pause / 2 + pause.mul_f64((random % 1024) as f64 / 1024.0)
}

struct Reports {
    node: Arc<Shared>,
    config: Control,
    token: SecretString,
    http_addr: SocketAddr,
}

impl Reports {
    async fn run(self) {
        let mut tick = tokio::time::interval(self.config.heartbeat);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let report = report::heartbeat(&self.node, self.http_addr).to_string();
            if let Err(error) = origin::heartbeat(&self.config.url, &self.token, report).await {
                tracing::debug!(%error, "a heartbeat did not reach {}", self.config.url);
            }
        }
    }
}

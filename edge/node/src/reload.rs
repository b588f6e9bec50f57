//! Replaces the configuration of a running node. The next generation is loaded beside the running
//! one; only when all of it is there do the workers change over. One that is refused leaves no
//! trace but the reason.

mod fixed;
mod outcome;

use std::sync::Arc;

use anyhow::Context as _;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, mpsc, oneshot};

pub(crate) use outcome::Reloads;

use crate::config::Config;
use crate::generation::{Base, Generation};
use crate::shared::Shared;

/// Reads the configuration again, from wherever it came at the start.
pub type Reread = Arc<dyn Fn() -> anyhow::Result<Config> + Send + Sync>;

/// A worker is to serve with this generation from now on, and to say when it does.
#[derive(Debug)]
pub(crate) struct Install {
    pub(crate) generation: Arc<Generation>,
    pub(crate) done: oneshot::Sender<()>,
}

/// Reloads a node, one time after the other.
pub(crate) struct Reloader {
    node: Arc<Shared>,
    base: Base,
    workers: Vec<mpsc::Sender<Install>>,
    reread: Option<Reread>,
    /// Where loading runs: back ends of filters are driven there.
    background: Handle,
    turn: Mutex<()>,
}

impl std::fmt::Debug for Reloader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reloader").finish_non_exhaustive()
    }
}

impl Reloader {
    pub(crate) fn new(
        node: Arc<Shared>,
        base: Base,
        workers: Vec<mpsc::Sender<Install>>,
        reread: Option<Reread>,
        background: Handle,
    ) -> Self {
        Self {
            node,
            base,
            workers,
            reread,
            background,
            turn: Mutex::default(),
        }
    }

    /// Whether there is something to read again.
    pub(crate) fn can_reread(&self) -> bool {
        self.reread.is_some()
    }

    /// Reads the configuration again and puts it in force; tells the generation's number.
    ///
    /// # Errors
    ///
    /// Why it was refused; the one before stays in force.
    pub(crate) async fn reread(&self) -> anyhow::Result<u64> {
        let reread = self.reread.clone();
        let reread =
            reread.context("the node was not started from a file that can be read again")?;
        self.replace(move || reread()).await
    }

    /// Puts a configuration in force; tells the generation's number.
    ///
    /// # Errors
    ///
    /// As [`Reloader::reread`].
    pub(crate) async fn reload(&self, config: Config) -> anyhow::Result<u64> {
        self.replace(move || Ok(config)).await
    }

    async fn replace(
        &self,
        read: impl FnOnce() -> anyhow::Result<Config> + Send + 'static,
    ) -> anyhow::Result<u64> {
        let _turn = self.turn.lock().await;
        let (node, base) = (Arc::clone(&self.node), self.base.clone());
        let loaded = self
            .background
            .spawn_blocking(move || load(&node, &base, read()?))
            .await
            .context("loading the configuration failed")
            .flatten();
        let generation = match loaded {
            Ok(generation) => Arc::new(generation),
            Err(error) => {
                let reason = format!("{error:#}");
                tracing::error!("the new configuration is refused, the old one stays: {reason}");
                self.node.reloads.refused(reason);
                return Err(error);
            }
        };
        let number = generation.number;
        self.node.current.store(Arc::clone(&generation));
        self.install(&generation).await;
        self.node.reloads.accepted();
        let sha256 = &generation.config.sha256;
        tracing::info!(generation = number, %sha256, "configuration {number} is in force");
        Ok(number)
    }

    /// Has all workers change over, and waits until they have. One that has ended needs nothing.
    async fn install(&self, generation: &Arc<Generation>) {
        let mut answers = Vec::with_capacity(self.workers.len());
        for worker in &self.workers {
            let (done, answer) = oneshot::channel();
            let generation = Arc::clone(generation);
            if worker.send(Install { generation, done }).await.is_ok() {
                answers.push(answer);
            }
        }
        for answer in answers {
            drop(answer.await);
        }
    }
}

fn load(node: &Shared, base: &Base, config: Config) -> anyhow::Result<Generation> {
    let running = node.generation();
    fixed::check(&running.config, &config)?;
    let generation = Generation::load(config, base, Some(&running))?;
    // Last, for it is in force at once.
    if let Some(tls) = &node.tls {
        tls.reload(&generation.config)?;
    }
    Ok(generation)
}

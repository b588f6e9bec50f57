//! The thread for everything that is not a client's request: the admin port, the control stream,
//! connections of back ends. Its runtime outlives the workers.

use std::thread::JoinHandle;

use anyhow::Context as _;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// The background thread.
#[derive(Debug)]
pub(crate) struct Background {
    handle: Handle,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("the background runtime cannot be started")?;
        let handle = runtime.handle().clone();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let thread = std::thread::Builder::new()
            .name("zephyr-edge-bg".into())
            .spawn(move || runtime.block_on(stopped.cancelled()))
            .context("the background thread cannot be started")?;
        Ok(Self {
            handle,
            stop,
            thread: Some(thread),
        })
    }

    pub(crate) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Runs a future there and waits for it.
    pub(crate) async fn run<F>(&self, future: F) -> anyhow::Result<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.handle
            .spawn(future)
            .await
            .context("a background task failed")
    }

    /// Runs something that blocks, and waits for it.
    pub(crate) async fn run_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> anyhow::Result<T> {
        self.handle
            .spawn_blocking(work)
            .await
            .context("a background task failed")
    }

    /// Runs a future there that ends when told to.
    pub(crate) fn spawn_until_stopped<F>(&self, make: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stopping = self.stop.child_token();
        drop(self.handle.spawn(make(stopping)));
    }

    /// Ends the thread and all that runs on it.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take()
            && tokio::task::spawn_blocking(move || thread.join())
                .await
                .is_err()
        {
            tracing::error!("the background thread could not be waited for");
        }
    }
}

impl Drop for Background {
    /// Also when a start fails half-way.
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

//! A node: started from a configuration, stopped gracefully.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use arc_swap::ArcSwap;
use secrecy::SecretString;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::background::Background;
use crate::cache::{self, Cache, CacheConfig, DiskConfig};
use crate::config::Config;
use crate::control::{self, State};
use crate::generation::{Base, Generation};
use crate::metrics::Metrics;
use crate::reload::{Reloader, Reloads, Reread};
use crate::shared::Shared;
use crate::site_kv::SiteKv;
use crate::sockets::Sockets;
use crate::takeover::{self, Offer, Predecessor};
use crate::tls::{self, Tls};
use crate::{access_log, admin, capabilities, listener, worker};

/// What a node needs that stands in no file.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// The token of the control plane; without it the node does not join.
    pub control_token: Option<SecretString>,
    /// What changes through the admin port are made with; without it they need none.
    pub admin_token: Option<SecretString>,
    /// The URL of Redis; may hold a password.
    pub redis_url: Option<SecretString>,
}

/// What a node is started with besides its configuration.
#[derive(Default)]
pub struct Options {
    /// What stands in no file.
    pub secrets: Secrets,
    /// Reads the configuration again, for `POST /-/reload`; none: it cannot be.
    pub reread: Option<Reread>,
    /// Listening sockets that came with the start; where there are none the node binds its own.
    pub sockets: Sockets,
    /// The node whose place this one takes; it is told when this one is ready.
    pub predecessor: Option<Predecessor>,
    /// Where another node can take over from this one; none: nowhere.
    pub takeover: Option<PathBuf>,
}

/// A running node.
#[derive(Debug)]
pub struct Node {
    http_addr: SocketAddr,
    https_addr: Option<SocketAddr>,
    admin_addr: Option<SocketAddr>,
    shared: Arc<Shared>,
    reloader: Arc<Reloader>,
    offer: Offer,
    /// Where another node can take over.
    takeover: Option<PathBuf>,
    handed_over: CancellationToken,
    leave: CancellationToken,
    /// Also stops the workers of a node that is dropped and not shut down.
    stop: DropGuard,
    workers: Vec<JoinHandle<()>>,
    log: Option<access_log::Writer>,
    background: Background,
}

impl Node {
    /// Starts a node: loads its components, binds its ports, takes requests. Everything that can be
    /// wrong is found before the first request is taken.
    ///
    /// # Errors
    ///
    /// A component that is refused, a port that is taken, a folder that cannot be written, a secret
    /// that is missing. The message names which.
    pub async fn start(config: Config, secrets: Secrets) -> anyhow::Result<Self> {
        let options = Options {
            secrets,
            ..Options::default()
        };
        Self::start_with(config, options).await
    }

    /// As [`Node::start`], with more than secrets.
    ///
    /// # Errors
    ///
    /// As [`Node::start`].
    pub async fn start_with(config: Config, options: Options) -> anyhow::Result<Self> {
        let Options {
            secrets,
            reread,
            sockets: mut inherited,
            mut predecessor,
            takeover,
        } = options;
        if config.listen.admin_token_env.is_some() && secrets.admin_token.is_none() {
            bail!("listen.admin_token_env names a token, but none is given");
        }
        let data_dir = config.node.data_dir.clone();
        std::fs::create_dir_all(&data_dir)
            .with_context(|| format!("the data folder {} cannot be made", data_dir.display()))?;
        if config.listen.http3 && !cfg!(feature = "http3") {
            anyhow::bail!("listen.http3: this program was built without HTTP/3");
        }
        let threads = config.node.worker_threads();
        let sockets = listener::bind_all(&config.listen, threads, &mut inherited)?;
        let admin = match config.listen.admin {
            Some(address) => match inherited.take("admin", address)?.pop() {
                Some(socket) => Some(socket),
                None => Some(bind_admin(address)?),
            },
            None => None,
        };
        inherited.warn_of_rest();
        let go = inherited.go.clone();
        let http_addr = sockets.iter().flat_map(|of| &of.http).next();
        let http_addr = http_addr.context("no worker threads")?.local_addr()?;
        let https_addr = sockets.iter().flat_map(|of| &of.https).next();
        let https_addr = https_addr.map(TcpListener::local_addr).transpose()?;
        let admin_addr = admin.as_ref().map(TcpListener::local_addr).transpose()?;
        let offer = Offer::default();
        if takeover.is_some() {
            for of in &sockets {
                of.http
                    .iter()
                    .try_for_each(|socket| offer.add("http", socket))?;
                of.https
                    .iter()
                    .try_for_each(|socket| offer.add("https", socket))?;
                of.quic.iter().try_for_each(|udp| offer.add_udp(udp))?;
            }
            if let Some(socket) = &admin {
                offer.add("admin", socket)?;
            }
        }

        let background = Background::start()?;
        let opened = background.run(capabilities::open(
            config.clone(),
            secrets.redis_url.clone(),
        ));
        let capabilities = opened.await??;
        let kv = SiteKv::new(Arc::clone(&capabilities.kv));
        let state = State::load(&data_dir);
        {
            let (kv, known) = (kv.clone(), state.kv.clone());
            background
                .run(async move { kv.replace(&Default::default(), &known).await })
                .await??;
        }

        let name = config
            .node
            .name
            .clone()
            .unwrap_or_else(|| default_name(http_addr));
        let base = Base {
            capabilities,
            threads,
        };
        let loading = base.clone();
        let (generation, tls) = background
            .run_blocking(move || {
                let tls = Tls::load(&config, https_addr)?;
                anyhow::Ok((Generation::load(config, &loading, None)?, tls))
            })
            .await??;
        let cache_config = generation.config.cache.clone();
        let opening = background.run_blocking(move || {
            let cache = open_cache(&cache_config, predecessor.as_mut());
            (cache, predecessor)
        });
        let (cache, predecessor) = opening.await?;
        let cache = cache?;
        background.spawn_until_stopped(|stopped| cache::keep_disk(Arc::clone(&cache), stopped));
        let shared = Arc::new(Shared {
            name,
            started_at: SystemTime::now(),
            cache,
            current: ArcSwap::from_pointee(generation),
            reloads: Reloads::default(),
            metrics: Metrics::new(threads),
            open: AtomicU32::new(0),
            per_address: Arc::default(),
            tunnels: AtomicU32::new(0),
            tls,
            ready: AtomicBool::new(false),
            control_seq: AtomicU64::new(state.seq.unwrap_or(0)),
        });
        let generation = shared.generation();
        let config = &generation.config;

        let stop = CancellationToken::new().drop_guard();
        let leave = CancellationToken::new();
        let (sender, log) = if config.log.access {
            let (sender, writer) = access_log::start(std::io::stdout())?;
            (Some(sender), Some(writer))
        } else {
            (None, None)
        };
        let (workers, installs): (Vec<_>, Vec<_>) = sockets
            .into_iter()
            .enumerate()
            .map(|(index, sockets)| {
                let stop = worker::Stop {
                    now: stop.token().clone(),
                    leave: leave.clone(),
                };
                worker::start(&shared, index, sockets, sender.clone(), stop)
            })
            .collect::<Result<Vec<_>, _>>()
            .context("a worker thread cannot be started")?
            .into_iter()
            .unzip();
        let reloader = Arc::new(Reloader::new(
            Arc::clone(&shared),
            base,
            installs,
            reread,
            background.handle(),
        ));
        shared.ready.store(true, Relaxed);

        // The admin port and the control stream outlive the last request of the workers.
        if let Some(socket) = admin {
            background.spawn_until_stopped(|stopped| {
                let (node, reloader) = (Arc::clone(&shared), Arc::clone(&reloader));
                // Another node that has taken over speaks for both.
                let (token, left) = (secrets.admin_token.clone(), leave.clone());
                async move {
                    match tokio::net::TcpListener::from_std(socket) {
                        Ok(listener) => tokio::select! {
                            () = admin::serve(node, reloader, token, listener, stopped) => {}
                            () = left.cancelled() => {}
                        },
                        Err(error) => tracing::error!(%error, "the admin port cannot be served"),
                    }
                }
            });
        }
        let handed_over = CancellationToken::new();
        if let Some(path) = &takeover {
            let listening = {
                let path = path.clone();
                background.run(async move { takeover::listen(&path) })
            };
            match listening.await? {
                Ok(listener) => background.spawn_until_stopped(|stopped| {
                    let cache = Arc::clone(&shared.cache);
                    takeover::offer(listener, offer.clone(), cache, handed_over.clone(), stopped)
                }),
                Err(error) => {
                    let path = path.display();
                    tracing::warn!(%error, "no other node can take over at {path}: {error}");
                }
            }
        }
        if let Some(tls) = &shared.tls {
            background.spawn_until_stopped(|stopped| tls::watch(Arc::clone(&shared), stopped));
            if let Some(acme) = tls.acme(config) {
                background.spawn_until_stopped(|stopped| tls::order(acme, stopped));
            }
        }
        match (&config.control, secrets.control_token) {
            (Some(control), Some(token)) => {
                let client = control::Client {
                    node: Arc::clone(&shared),
                    config: control.clone(),
                    token,
                    kv,
                    state,
                    http_addr,
                };
                background.spawn_until_stopped(|stopped| client.run(stopped));
            }
            (Some(control), None) => {
                tracing::warn!("no control token: the node does not join {}", control.url);
            }
            (None, _) => {}
        }
        let name = &shared.name;
        tracing::info!(%http_addr, threads, "node {name} takes requests on http://{http_addr}");
        if let Some(https_addr) = https_addr {
            tracing::info!(%https_addr, "and on https://{https_addr}");
        }
        if let Some(predecessor) = predecessor {
            let told = background.run_blocking(|| predecessor.ready()).await;
            if let Err(error) = told.flatten() {
                tracing::warn!("{error:#}");
            }
            go.cancel();
        }
        Ok(Self {
            http_addr,
            https_addr,
            admin_addr,
            shared,
            reloader,
            offer,
            takeover,
            handed_over,
            leave,
            stop,
            workers,
            log,
            background,
        })
    }

    /// Where the node takes requests.
    #[must_use]
    pub fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    /// Where the node takes requests over TLS, when it does.
    #[must_use]
    pub fn https_addr(&self) -> Option<SocketAddr> {
        self.https_addr
    }

    /// The admin port, when there is one.
    #[must_use]
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin_addr
    }

    /// The node's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Replaces the configuration; tells the number of its generation. Requests in flight end under
    /// the old one. Cache, counters and connections live on, and so does what has not changed.
    ///
    /// # Errors
    ///
    /// Why the new one is refused; the old one stays in force.
    pub async fn reload(&self, config: Config) -> anyhow::Result<u64> {
        self.reloader.reload(config).await
    }

    /// Reads the configuration again and replaces the running one.
    ///
    /// # Errors
    ///
    /// As [`Node::reload`]; or that the node was started without [`Options::reread`].
    pub async fn reread(&self) -> anyhow::Result<u64> {
        self.reloader.reread().await
    }

    /// Waits until another node has taken the listening sockets over and is ready; for ever when
    /// the node was started without [`Options::takeover`].
    pub fn handed_over(&self) -> impl Future<Output = ()> + Send + 'static {
        self.handed_over.clone().cancelled_owned()
    }

    /// Stops: is no longer ready, goes on for `shutdown_delay`, then takes no more connections, lets
    /// open requests end within the grace period, and ends all threads.
    pub async fn shutdown(self) {
        self.shared.ready.store(false, Relaxed);
        let delay = self.shared.generation().config.node.shutdown_delay;
        if !delay.is_zero() {
            tracing::info!("no longer ready; takes connections for {delay:?} more");
            tokio::time::sleep(delay).await;
        }
        self.offer.close();
        if let Some(path) = &self.takeover {
            let _ = std::fs::remove_file(path);
        }
        self.stop.token().cancel();
        self.end().await;
    }

    /// Stops after another node has taken over: takes no more connections; those there are get their
    /// next answer with `Connection: close`, or are closed after half the grace period.
    pub async fn leave(self) {
        self.shared.ready.store(false, Relaxed);
        self.offer.close();
        self.leave.cancel();
        self.end().await;
    }

    async fn end(self) {
        let (workers, log) = (self.workers, self.log);
        let joined = tokio::task::spawn_blocking(move || {
            for worker in workers {
                if worker.join().is_err() {
                    tracing::error!("a worker thread panicked");
                }
            }
            if let Some(log) = log {
                log.join();
            }
        });
        if let Err(error) = joined.await {
            tracing::error!(%error, "the node's threads could not be waited for");
        }
        self.background.stop().await;
        tracing::info!("node {} has stopped", self.shared.name);
    }
}

fn bind_admin(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address)
        .with_context(|| format!("cannot listen on {address} (listen.admin)"))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn default_name(http_addr: SocketAddr) -> String {
    let host = rustix::system::uname();
    format!("{}-{}", host.nodename().to_string_lossy(), http_addr.port())
}

/// The cache, with what it has on disk. A folder that another node has is not a reason not to start; the
/// one before is asked for it.
fn open_cache(
    config: &crate::config::CacheSection,
    predecessor: Option<&mut Predecessor>,
) -> anyhow::Result<Arc<Cache>> {
    let memory = CacheConfig {
        max_bytes: config.max_bytes.0,
        max_object_bytes: config.max_object_bytes.0,
        slice_bytes: config.slice_bytes.0,
        max_variants: config.max_variants as usize,
        collapse_timeout: config.collapse_timeout,
        status_key: config.status_key,
    };
    let Some(path) = &config.disk_path else {
        return Ok(Cache::new(memory));
    };
    let mut disk = DiskConfig::new(path.clone(), config.disk_max_bytes.0);
    disk.write_buffer = config.disk_write_buffer.as_usize();
    if let Some(predecessor) = predecessor
        && !predecessor.free_disk()
    {
        // It has been waited for.
        disk.patience = Duration::ZERO;
    }
    let opened = Cache::on_disk(memory, disk, config.memory_object_max.0);
    opened.context("the cache cannot be opened")
}

//! A worker thread: a current-thread runtime with a listening socket of its own. What a request
//! needs is here or shared; requests never change threads.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use tokio::sync::Notify;
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

use crate::access_log::{Lines, Sender};
use crate::cache::Fetch;
use crate::connection::{self, LocalExecutor, Port};
use crate::ids::Ids;
use crate::listener::{self, Sockets};
use crate::metrics::{Count, Shard};
use crate::pipeline::Trip;
use crate::shared::Shared;
use crate::upstream::{self, Pools};

/// How often pools are swept and log lines handed over.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// What a worker's connections share.
pub(crate) struct Worker {
    pub(crate) node: Arc<Shared>,
    pub(crate) metrics: Arc<Shard>,
    /// None when the access log is off.
    pub(crate) log: Option<RefCell<Lines>>,
    pub(crate) ids: RefCell<Ids>,
    pub(crate) http1: http1::Builder,
    pub(crate) http2: http2::Builder<LocalExecutor>,
    /// By route.
    pub(crate) trips: Vec<RouteTrip>,
    pub(crate) no_authority: Arc<str>,
    pools: Arc<Pools>,
    draining: Cell<bool>,
    drain: Notify,
    /// Connections being served.
    served: Cell<usize>,
    unserved: Notify,
}

/// Trips to the target of one route, for the pipeline and for the cache.
pub(crate) struct RouteTrip {
    pub(crate) direct: Rc<Trip>,
    pub(crate) fetch: Rc<dyn Fetch>,
}

impl Worker {
    fn new(node: &Arc<Shared>, index: usize, log: Option<Sender>) -> Self {
        let listen = &node.config.listen;
        let pools = Arc::new(Pools::new(&node.upstreams));
        let trips = (0..node.routes.len())
            .map(|route| {
                let direct = Rc::new(Trip::new(Arc::clone(node), Arc::clone(&pools), route));
                let fetch = Rc::clone(&direct) as Rc<dyn Fetch>;
                RouteTrip { direct, fetch }
            })
            .collect();
        Self {
            metrics: Arc::clone(&node.metrics.shards[index]),
            log: log.map(|sender| RefCell::new(Lines::new(sender))),
            ids: RefCell::new(Ids::new()),
            http1: connection::http1_builder(listen),
            http2: connection::http2_builder(listen),
            trips,
            no_authority: "".into(),
            pools,
            draining: Cell::new(false),
            drain: Notify::new(),
            served: Cell::new(0),
            unserved: Notify::new(),
            node: Arc::clone(node),
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Waits until the worker is to take no more requests.
    pub(crate) async fn drained(&self) {
        let notified = self.drain.notified();
        if !self.draining.get() {
            notified.await;
        }
    }

    /// A connection is served from here until what it returns is dropped.
    pub(crate) fn serving(self: &Rc<Self>) -> Serving {
        self.served.set(self.served.get() + 1);
        Serving(Rc::clone(self))
    }

    fn housekeep(&self) {
        self.pools.sweep();
        if let Some(log) = &self.log {
            let dropped = log.borrow_mut().hand_over();
            self.metrics.add(Count::LogDropped, dropped);
        }
    }

    async fn all_served(&self) {
        while self.served.get() > 0 {
            self.unserved.notified().await;
        }
    }
}

/// One connection being served.
pub(crate) struct Serving(Rc<Worker>);

impl Drop for Serving {
    fn drop(&mut self) {
        let left = self.0.served.get().saturating_sub(1);
        self.0.served.set(left);
        self.0.metrics.count(Count::Closed);
        if left == 0 {
            self.0.unserved.notify_one();
        }
    }
}

/// Starts a worker on a listening socket. It ends some time after `stop`: when all its requests are
/// answered, at the latest after the grace period.
pub(crate) fn start(
    node: &Arc<Shared>,
    index: usize,
    sockets: Sockets,
    log: Option<Sender>,
    stop: CancellationToken,
) -> std::io::Result<JoinHandle<()>> {
    let node = Arc::clone(node);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new()
        .name(format!("zephyr-edge-{index}"))
        .spawn(move || {
            let tasks = LocalSet::new();
            tasks.block_on(&runtime, run(node, index, sockets, log, stop));
            // What outlives the grace period ends here, connections to upstreams included.
            drop(tasks);
            runtime.shutdown_background();
        })
}

async fn run(
    node: Arc<Shared>,
    index: usize,
    sockets: Sockets,
    log: Option<Sender>,
    stop: CancellationToken,
) {
    let worker = Rc::new(Worker::new(&node, index, log));
    upstream::install(&worker.pools);
    #[cfg(feature = "http3")]
    let mut quic = None;
    let mut accepting = tokio::task::JoinSet::new();
    for (socket, port) in [
        (Some(sockets.http), Port::Plain),
        (sockets.https, Port::Tls),
    ] {
        let Some(socket) = socket else { continue };
        match tokio::net::TcpListener::from_std(socket) {
            Ok(listener) => {
                let accept = listener::accept(Rc::clone(&worker), listener, port);
                accepting.spawn_local(accept);
            }
            Err(error) => {
                tracing::error!(%error, "worker {index} cannot listen");
                return;
            }
        }
    }
    let mut tick = tokio::time::interval(HOUSEKEEPING);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    #[cfg(feature = "http3")]
    if let Some(socket) = sockets.quic {
        match crate::http3::endpoint(&worker, socket) {
            Ok(endpoint) => {
                quic = Some(endpoint.clone());
                accepting.spawn_local(crate::http3::accept(Rc::clone(&worker), endpoint));
            }
            Err(error) => {
                tracing::error!("worker {index} cannot serve HTTP/3: {error:#}");
                return;
            }
        }
    }
    loop {
        tokio::select! {
            _ = tick.tick() => worker.housekeep(),
            () = stop.cancelled() => break,
        }
    }
    // Closes the listening sockets, so that the kernel sends no more connections here.
    accepting.abort_all();
    // Open connections go on: they are on the same socket as new ones.
    #[cfg(feature = "http3")]
    if let Some(endpoint) = &quic {
        endpoint.set_server_config(None);
    }
    worker.draining.set(true);
    worker.drain.notify_waiters();
    let grace = node.config.node.shutdown_grace;
    if tokio::time::timeout(grace, worker.all_served())
        .await
        .is_err()
    {
        let left = worker.served.get();
        tracing::warn!(left, "{left} connections are cut off after {grace:?}");
    }
    worker.housekeep();
}

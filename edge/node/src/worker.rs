//! A worker thread: a current-thread runtime with a listening socket of its own. What a request
//! needs is here or shared; requests never change threads.

use std::cell::{Cell, RefCell};
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::{JoinSet, LocalSet};
use tokio_util::sync::CancellationToken;

use crate::access_log::{Lines, Sender};
#[cfg(target_os = "linux")]
use crate::connection::Lot;
use crate::connection::{Lulls, Port, Rested};
use crate::generation::Generation;
use crate::ids::Ids;
use crate::listener::{self, Sockets};
use crate::metrics::{Count, Shard};
use crate::reload::Install;
use crate::setup::Setup;
use crate::shared::Shared;
use crate::upstream;

/// How often pools are swept and log lines handed over.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// What a worker's connections share.
pub(crate) struct Worker {
    pub(crate) node: Arc<Shared>,
    pub(crate) metrics: Arc<Shard>,
    /// None when the access log is off.
    pub(crate) log: Option<RefCell<Lines>>,
    pub(crate) ids: RefCell<Ids>,
    pub(crate) no_authority: Arc<str>,
    pub(crate) lulls: Lulls,
    /// None when the system would not give a descriptor for it.
    #[cfg(target_os = "linux")]
    lot: Option<Lot>,
    setup: RefCell<Rc<Setup>>,
    leaving: Cell<bool>,
    leave: Notify,
    draining: Cell<bool>,
    drain: Notify,
    /// Connections being served.
    served: Cell<usize>,
    unserved: Notify,
}

impl Worker {
    fn new(node: &Arc<Shared>, index: usize, log: Option<Sender>) -> Self {
        let metrics = Arc::clone(&node.metrics.shards[index]);
        let setup = Setup::new(node.generation(), &metrics, None);
        upstream::install(&setup.pools);
        Self {
            metrics,
            log: log.map(|sender| RefCell::new(Lines::new(sender))),
            ids: RefCell::new(Ids::new()),
            no_authority: "".into(),
            lulls: Lulls::default(),
            #[cfg(target_os = "linux")]
            lot: Lot::new()
                .inspect_err(|error| tracing::warn!("idle connections keep their tasks: {error}"))
                .ok(),
            setup: RefCell::new(Rc::new(setup)),
            leaving: Cell::new(false),
            leave: Notify::new(),
            draining: Cell::new(false),
            drain: Notify::new(),
            served: Cell::new(0),
            unserved: Notify::new(),
            node: Arc::clone(node),
        }
    }

    /// What to serve with: of the configuration in force.
    pub(crate) fn setup(&self) -> Rc<Setup> {
        Rc::clone(&self.setup.borrow())
    }

    /// Changes over to another configuration. Requests in flight keep theirs.
    fn install(&self, generation: Arc<Generation>) {
        let setup = Setup::new(generation, &self.metrics, Some(&self.setup()));
        upstream::install(&setup.pools);
        let before = self.setup.replace(Rc::new(setup));
        drop(before);
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

    /// Whether another node has taken over: the next answer on a connection is the last.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.get()
    }

    /// Waits until another node has taken over, or the worker is to take no more requests.
    pub(crate) async fn left(&self) {
        let notified = self.leave.notified();
        if !self.leaving.get() {
            notified.await;
        }
    }

    /// From here on answers say that they are the last on their connection.
    fn start_leaving(&self) {
        self.leaving.set(true);
        self.leave.notify_waiters();
    }

    /// From here on connections with nothing on their way are closed.
    fn start_draining(&self) {
        self.start_leaving();
        self.draining.set(true);
        self.drain.notify_waiters();
    }

    /// A connection is served from here until what it returns is dropped.
    pub(crate) fn serving(self: &Rc<Self>) -> Serving {
        self.served.set(self.served.get() + 1);
        Serving(Rc::clone(self))
    }

    /// A connection at rest goes to the lot, if there is one and it takes it; else it comes back.
    #[cfg_attr(
        not(target_os = "linux"),
        expect(clippy::unused_self, reason = "no lot")
    )]
    pub(crate) fn park(&self, rested: Rested, limit: Duration) -> Option<Rested> {
        #[cfg(target_os = "linux")]
        if let Some(lot) = &self.lot {
            return lot.park(rested, limit);
        }
        Some(rested)
    }

    fn housekeep(&self) {
        self.setup().pools.sweep();
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

/// How a worker learns that it is to end.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    /// Connections that wait for a request are closed at once.
    pub(crate) now: CancellationToken,
    /// Another node has taken over: connections may bring one more request first.
    pub(crate) leave: CancellationToken,
}

/// Starts a worker on listening sockets. It ends some time after `stop`: when all its requests are
/// answered, at the latest after the grace period.
pub(crate) fn start(
    node: &Arc<Shared>,
    index: usize,
    sockets: Sockets,
    log: Option<Sender>,
    stop: Stop,
) -> std::io::Result<(JoinHandle<()>, mpsc::Sender<Install>)> {
    // One reload at a time.
    let (sender, installs) = mpsc::channel(1);
    let node = Arc::clone(node);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let thread = std::thread::Builder::new()
        .name(format!("zephyr-edge-{index}"))
        .spawn(move || {
            let tasks = LocalSet::new();
            tasks.block_on(&runtime, run(node, index, sockets, log, installs, stop));
            // What outlives the grace period ends here, connections to upstreams included.
            drop(tasks);
            runtime.shutdown_background();
        })?;
    Ok((thread, sender))
}

async fn run(
    node: Arc<Shared>,
    index: usize,
    sockets: Sockets,
    log: Option<Sender>,
    mut installs: mpsc::Receiver<Install>,
    stop: Stop,
) {
    let worker = Rc::new(Worker::new(&node, index, log));
    #[cfg(feature = "http3")]
    let mut quic = Vec::new();
    tokio::task::spawn_local({
        let worker = Rc::clone(&worker);
        async move { worker.lulls.look_after().await }
    });
    #[cfg(target_os = "linux")]
    tokio::task::spawn_local({
        let worker = Rc::clone(&worker);
        async move {
            if let Some(lot) = &worker.lot {
                lot.look_after(&worker).await;
            }
        }
    });
    let mut accepting = JoinSet::new();
    let of_port =
        |sockets: Vec<TcpListener>, port| sockets.into_iter().map(move |socket| (socket, port));
    let http = of_port(sockets.http, Port::Plain);
    for (socket, port) in http.chain(of_port(sockets.https, Port::Tls)) {
        match tokio::net::TcpListener::from_std(socket) {
            Ok(listener) => {
                accepting.spawn_local(listener::accept(Rc::clone(&worker), listener, port));
            }
            Err(error) => tracing::error!(%error, "worker {index} cannot listen"),
        }
    }
    #[cfg(feature = "http3")]
    for udp in sockets.quic {
        match crate::http3::endpoint(&worker, udp) {
            Ok(endpoint) => {
                quic.push(endpoint.clone());
                accepting.spawn_local(crate::http3::accept(Rc::clone(&worker), endpoint));
            }
            Err(error) => tracing::error!("worker {index} cannot serve HTTP/3: {error:#}"),
        }
    }
    let mut tick = tokio::time::interval(HOUSEKEEPING);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let leaves = loop {
        tokio::select! {
            _ = tick.tick() => worker.housekeep(),
            Some(install) = installs.recv() => {
                worker.install(install.generation);
                // Whoever asked may have gone.
                let _ = install.done.send(());
            }
            () = stop.now.cancelled() => break false,
            () = stop.leave.cancelled() => break true,
        }
    };
    // Closes the listening sockets, so that the kernel sends no more connections here.
    drop(accepting);
    // Open connections go on: they are on the same socket as new ones.
    #[cfg(feature = "http3")]
    for endpoint in &quic {
        endpoint.set_server_config(None);
    }
    let grace = worker.setup().config.node.shutdown_grace;
    let end = tokio::time::Instant::now() + grace;
    if leaves {
        // A client that keeps a connection may be sending on it this very moment, so it is told with
        // an answer. Half the grace is for that.
        worker.start_leaving();
        tokio::select! {
            () = worker.all_served() => {}
            () = tokio::time::sleep(grace / 2) => {}
            () = stop.now.cancelled() => {}
        }
    }
    worker.start_draining();
    if tokio::time::timeout_at(end, worker.all_served())
        .await
        .is_err()
    {
        let left = worker.served.get();
        tracing::warn!(left, "{left} connections are cut off after {grace:?}");
    }
    worker.housekeep();
}

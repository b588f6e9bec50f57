//! Open connections of one worker thread to one server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use http::HeaderMap;
use hyper::client::conn::{http1, http2};
use parking_lot::Mutex;

use super::connect::{self, Made};
use super::timer::Timer;
use super::{Endpoint, Upstream, keep_alive};
use crate::body::Body;
use crate::config::Http2;
use crate::error::ProxyError;

/// Open connections to one server.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) upstream: Arc<Upstream>,
    pub(super) endpoint: Arc<Endpoint>,
    idle: Mutex<Vec<Idle>>,
    streams: Mutex<Vec<Shared>>,
    /// Held while a connection is made that others may share, so that they do not each make one.
    making: tokio::sync::Mutex<()>,
    /// Whether the server chose HTTP/1 when it had the choice.
    chose_http1: AtomicBool,
}

/// A connection with one request at a time.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) sender: http1::SendRequest<Body>,
    pub(super) timer: Timer,
    /// How long it may be unused, if the server says.
    unused_for: Option<Duration>,
}

impl Conn {
    pub(super) fn new(sender: http1::SendRequest<Body>) -> Self {
        Self {
            sender,
            timer: Timer::default(),
            unused_for: None,
        }
    }

    /// Heeds what an answer on it says about keeping it.
    pub(super) fn heed(&mut self, headers: &HeaderMap) {
        if let Some(said) = keep_alive::unused_for(headers) {
            self.unused_for = Some(said);
        }
    }
}

#[derive(Debug)]
struct Idle {
    conn: Conn,
    since: Instant,
    limit: Duration,
}

impl Idle {
    fn is_over(&self) -> bool {
        self.conn.sender.is_closed() || self.since.elapsed() >= self.limit
    }
}

/// A connection with many.
#[derive(Clone, Debug)]
struct Shared {
    sender: http2::SendRequest<Body>,
    open: Arc<AtomicUsize>,
    /// What the server says.
    allowed: Arc<AtomicUsize>,
}

/// One stream of a shared connection, until dropped.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) sender: http2::SendRequest<Body>,
    open: Arc<AtomicUsize>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Relaxed);
    }
}

/// What a request can be sent on.
#[derive(Debug)]
pub(super) enum Way {
    /// A connection of its own, which was used before or not.
    Http1(Conn, bool),
    /// A stream of a connection that was there before or not.
    Http2(Stream, bool),
}

/// Connections looked at to find one that is ready; one whose request is still being sent is not.
const LOOK_AT: usize = 4;
/// Streams on one connection, when the server allows more.
const STREAMS: usize = 128;
/// Shared connections to one server.
const CONNECTIONS: usize = 16;

impl Line {
    pub(super) fn new(upstream: &Arc<Upstream>, endpoint: &Arc<Endpoint>) -> Self {
        Self {
            upstream: Arc::clone(upstream),
            endpoint: Arc::clone(endpoint),
            idle: Mutex::default(),
            streams: Mutex::default(),
            making: tokio::sync::Mutex::default(),
            chose_http1: AtomicBool::new(false),
        }
    }

    fn may_be_http2(&self) -> bool {
        let server = &self.upstream.config.servers[self.endpoint.of];
        match self.upstream.config.http2 {
            Http2::No => false,
            Http2::Yes => true,
            Http2::Auto => server.url.is_tls() && !self.chose_http1.load(Relaxed),
        }
    }

    /// Something to send a request on; `fresh` when it must not be a connection used before, and
    /// `careful` when the request cannot be sent again.
    pub(super) async fn way(&self, fresh: bool, careful: bool) -> Result<Way, ProxyError> {
        if !self.may_be_http2() {
            while !fresh && let Some(conn) = self.checkout() {
                if careful {
                    // Whoever yields goes on after the sockets were looked at and the tasks that
                    // had something to read have run: an end that is here already is known then.
                    tokio::task::yield_now().await;
                    if !conn.sender.is_ready() {
                        continue;
                    }
                }
                return Ok(Way::Http1(conn, true));
            }
            return self.made().await;
        }
        if let Some(stream) = self.stream() {
            return Ok(Way::Http2(stream, true));
        }
        // Who waits for another one's connection waits no longer than for its own.
        let limit = self.upstream.config.connect_timeout;
        let Ok(_making) = tokio::time::timeout(limit, self.making.lock()).await else {
            return Err(connect::late(&self.upstream, &self.endpoint));
        };
        if let Some(stream) = self.stream() {
            return Ok(Way::Http2(stream, true));
        }
        self.made().await
    }

    /// By a new connection.
    async fn made(&self) -> Result<Way, ProxyError> {
        // Boxed, so that a request on a connection that is there does not carry the room for this.
        let made = Box::pin(connect::open(&self.upstream, &self.endpoint)).await?;
        Ok(self.way_of(made))
    }

    fn way_of(&self, made: Made) -> Way {
        match made {
            Made::Http1(sender) => {
                if self.upstream.config.http2 == Http2::Auto {
                    self.chose_http1.store(true, Relaxed);
                }
                Way::Http1(Conn::new(sender), false)
            }
            Made::Http2(sender, allowed) => {
                self.chose_http1.store(false, Relaxed);
                let shared = Shared {
                    sender,
                    open: Arc::new(AtomicUsize::new(0)),
                    allowed,
                };
                self.streams.lock().push(shared.clone());
                Way::Http2(shared.stream(), false)
            }
        }
    }

    /// A stream of a shared connection that has room; of any when there may be no more connections.
    fn stream(&self) -> Option<Stream> {
        let mut streams = self.streams.lock();
        streams.retain(|shared| !shared.sender.is_closed());
        let room = |shared: &&Shared| {
            let allowed = shared.allowed.load(Relaxed).clamp(1, STREAMS);
            shared.open.load(Relaxed) < allowed
        };
        let shared = match streams.iter().find(room) {
            Some(shared) => Some(shared),
            None if streams.len() < CONNECTIONS => None,
            None => streams
                .iter()
                .min_by_key(|shared| shared.open.load(Relaxed)),
        };
        shared.map(Shared::stream)
    }

    /// Forgets a shared connection that takes no more requests.
    pub(super) fn forget(&self, stream: &Stream) {
        let mut streams = self.streams.lock();
        streams.retain(|shared| !Arc::ptr_eq(&shared.open, &stream.open));
    }

    /// The connection used last, if one is ready: it is the least likely to be stale.
    fn checkout(&self) -> Option<Conn> {
        let mut idle = self.idle.lock();
        let (mut at, before) = (idle.len(), idle.len());
        let mut looked = 0;
        let mut found = None;
        while at > 0 && looked < LOOK_AT && found.is_none() {
            at -= 1;
            let candidate = &idle[at];
            if candidate.is_over() {
                idle.remove(at);
            } else if candidate.conn.sender.is_ready() {
                found = Some(idle.remove(at).conn);
            } else {
                looked += 1;
            }
        }
        self.counted(before - idle.len());
        found
    }

    /// Keeps a connection for the next request.
    pub(super) fn put(&self, conn: Conn) {
        let limit = self.upstream.config.pool_idle_timeout;
        let limit = conn.unused_for.map_or(limit, |said| said.min(limit));
        if limit.is_zero() || conn.sender.is_closed() {
            return;
        }
        let mut idle = self.idle.lock();
        if idle.len() < self.upstream.config.pool_max_idle {
            let since = Instant::now();
            idle.push(Idle { conn, since, limit });
            self.endpoint.counts.idle.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn sweep(&self) {
        let mut idle = self.idle.lock();
        let before = idle.len();
        idle.retain(|idle| !idle.is_over());
        self.counted(before - idle.len());
        let mut streams = self.streams.lock();
        streams.retain(|shared| !shared.sender.is_closed());
    }

    fn counted(&self, gone: usize) {
        if gone > 0 {
            self.endpoint.counts.idle.fetch_sub(gone as u64, Relaxed);
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let left = self.idle.get_mut().len();
        self.counted(left);
    }
}

impl Shared {
    fn stream(&self) -> Stream {
        self.open.fetch_add(1, Relaxed);
        Stream {
            sender: self.sender.clone(),
            open: Arc::clone(&self.open),
        }
    }
}

//! What a connection's socket, its requests and its timekeeper know of each other. All on one
//! thread, so plain cells.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::HeaderValue;
use zephyr_edge_pipeline::admission::Peer;

use super::transport::Transport;

/// One client's connection.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The peer's address.
    pub(crate) peer: IpAddr,
    /// The peer's port.
    pub(crate) peer_port: u16,
    /// Whether the peer is a trusted proxy.
    pub(crate) trusted: bool,
    /// Whether it speaks HTTP/1.
    pub(crate) http1: bool,
    /// Whether it speaks TLS.
    pub(crate) tls: bool,
    /// Requests being answered, their answers' bodies included.
    pub(super) busy: Cell<u32>,
    /// Those of them that wait for the node and not for the client. Counted on HTTP/2 and HTTP/3.
    pub(super) working: Cell<u32>,
    /// Counts reads and writes that moved bytes; on HTTP/2 only what moves a request, for a client
    /// may send and be sent `PING` frames for ever.
    pub(super) progress: Cell<u32>,
    /// Counts heads.
    pub(super) heads: Cell<u32>,
    /// Whether a head is due: the first one, or the rest of one that has begun.
    pub(super) awaits_head: Cell<bool>,
    /// Whether a body is being received.
    pub(super) awaits_body: Cell<bool>,
    /// Whether the last read found nothing.
    pub(super) read_waits: Cell<bool>,
    /// Whether the last write found no room.
    pub(super) write_waits: Cell<bool>,
    /// Whether the socket is to be left here when hyper's connection is dropped.
    pub(super) parking: Cell<bool>,
    /// The socket that was left.
    pub(super) parked: RefCell<Option<Transport>>,
    /// The last `Host` seen and what it means: clients repeat themselves.
    host: RefCell<Option<(HeaderValue, Arc<str>)>>,
}

impl Connection {
    pub(crate) fn new(peer: SocketAddr, trusted: bool, http1: bool, tls: bool) -> Self {
        Self {
            peer: peer.ip(),
            peer_port: peer.port(),
            trusted,
            http1,
            tls,
            busy: Cell::new(0),
            working: Cell::new(0),
            progress: Cell::new(0),
            heads: Cell::new(0),
            awaits_head: Cell::new(http1 || tls),
            awaits_body: Cell::new(false),
            read_waits: Cell::new(false),
            write_waits: Cell::new(false),
            parking: Cell::new(false),
            parked: RefCell::new(None),
            host: RefCell::new(None),
        }
    }

    /// A request begins.
    pub(crate) fn enter(&self) {
        self.busy.set(self.busy.get() + 1);
        self.works(true);
        self.progressed();
    }

    /// Whether a request now waits for the node, which it did not before, or the other way round.
    pub(crate) fn works(&self, works: bool) {
        let working = self.working.get();
        self.working.set(match works {
            true => working + 1,
            false => working.saturating_sub(1),
        });
        if !works {
            self.progressed();
        }
    }

    /// A request's answer has been handed over.
    pub(crate) fn leave(&self) {
        self.busy.set(self.busy.get().saturating_sub(1));
        self.works(false);
    }

    pub(super) fn progressed(&self) {
        self.progress.set(self.progress.get().wrapping_add(1));
    }
}

impl Peer for Connection {
    fn address(&self) -> IpAddr {
        self.peer
    }

    fn trusted(&self) -> bool {
        self.trusted
    }

    fn http1(&self) -> bool {
        self.http1
    }

    fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// What a `Host` value means, as last time or as `normalize` says.
    fn authority_of(
        &self,
        raw: &HeaderValue,
        normalize: impl FnOnce(&HeaderValue) -> Option<String>,
    ) -> Option<Arc<str>> {
        let mut host = self.host.borrow_mut();
        if let Some((known, authority)) = &*host
            && known == raw
        {
            return Some(Arc::clone(authority));
        }
        let authority: Arc<str> = normalize(raw)?.into();
        // A value of its own: the one given keeps the whole head in memory.
        let key = HeaderValue::from_bytes(raw.as_bytes()).ok()?;
        *host = Some((key, Arc::clone(&authority)));
        Some(authority)
    }
}

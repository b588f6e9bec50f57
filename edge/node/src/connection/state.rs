//! What a connection's socket, its requests and its timekeeper know of each other. All on one
//! thread, so plain cells.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::Waker;

use http::HeaderValue;
use zephyr_edge_pipeline::admission::{Peer, Refusal};

use crate::tunnel::Switch;

/// One client's connection.
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
    /// Counts reads and writes that moved bytes.
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
    /// Bytes written, to tell answers from pings.
    pub(super) written: Cell<u64>,
    /// Counts the steps of answers' bodies.
    pub(super) steps: Cell<u32>,
    /// Answers of which the client has to take a piece before the next is asked for.
    pub(super) given: Cell<u32>,
    /// Whether the client will send nothing more.
    pub(super) ended: Cell<bool>,
    /// Whether reading pauses, after a head that asks for an upgrade.
    pub(super) parked: Cell<bool>,
    /// Whom to wake when it goes on.
    pub(super) reader: RefCell<Option<Waker>>,
    /// Whether the worker watches it for coming to rest.
    pub(super) watched: Cell<bool>,
    /// Whether it has had nothing to do for a while.
    pub(super) lull: Cell<bool>,
    /// A request that was refused before hyper saw it, and how many heads came before it.
    pub(super) refused: Cell<Option<(u64, Refusal)>>,
    /// Heads that hyper has handed over.
    answered: Cell<u64>,
    /// What takes over the connection when hyper is done with it.
    pub(super) switch: RefCell<Option<Switch>>,
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
            progress: Cell::new(0),
            heads: Cell::new(0),
            awaits_head: Cell::new(http1 || tls),
            awaits_body: Cell::new(false),
            read_waits: Cell::new(false),
            write_waits: Cell::new(false),
            written: Cell::new(0),
            steps: Cell::new(0),
            given: Cell::new(0),
            ended: Cell::new(false),
            parked: Cell::new(false),
            reader: RefCell::new(None),
            watched: Cell::new(false),
            lull: Cell::new(false),
            refused: Cell::new(None),
            answered: Cell::new(0),
            switch: RefCell::new(None),
            host: RefCell::new(None),
        }
    }

    /// A request begins.
    pub(crate) fn enter(&self) {
        self.busy.set(self.busy.get() + 1);
        self.steps.set(self.steps.get().wrapping_add(1));
        self.progressed();
    }

    /// A request's answer has been handed over.
    pub(crate) fn leave(&self) {
        self.busy.set(self.busy.get().saturating_sub(1));
        self.steps.set(self.steps.get().wrapping_add(1));
        self.progressed();
    }

    /// A head has come from hyper. If it stands for a request that was refused, tells why.
    pub(crate) fn head(&self) -> Option<Refusal> {
        let before = self.answered.get();
        self.answered.set(before + 1);
        let (heads, refusal) = self.refused.get()?;
        (heads == before).then_some(refusal)
    }

    /// No upgrade: what follows the head is read as HTTP.
    pub(crate) fn stays(&self) {
        if self.parked.replace(false)
            && let Some(reader) = self.reader.take()
        {
            reader.wake();
        }
    }

    /// The connection is to become a tunnel once hyper has sent the answer that says so.
    pub(crate) fn becomes(&self, switch: Switch) {
        *self.switch.borrow_mut() = Some(switch);
    }

    /// A piece of an answer's body has been handed over.
    pub(crate) fn gave(&self) {
        self.given.set(self.given.get() + 1);
    }

    /// What was handed over has been taken, or nobody wants it any more.
    pub(crate) fn taken(&self) {
        self.given.set(self.given.get().saturating_sub(1));
        self.steps.set(self.steps.get().wrapping_add(1));
    }

    /// Whether nothing of it is on its way: it is between two requests of HTTP/1.
    pub(super) fn at_rest(&self) -> bool {
        let begun = self.awaits_head.get() || self.awaits_body.get();
        let owes = self.busy.get() > 0 || self.write_waits.get();
        self.http1 && self.read_waits.get() && !begun && !owes
    }

    pub(super) fn wrote(&self, bytes: usize) {
        self.written
            .set(self.written.get().wrapping_add(bytes as u64));
        self.progressed();
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

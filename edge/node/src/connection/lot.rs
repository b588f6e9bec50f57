//! Where connections of HTTP/1 over TCP wait for their client's next request.
//!
//! A client keeps its connection for minutes and uses it for milliseconds. So a connection at rest has
//! no task, no timer and no buffers: it is a row in a table and a socket in an `epoll` of the lot's own,
//! which the runtime watches as one descriptor. What the next request needs is made when it comes.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use slab::Slab;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::http1;
use super::member::{Member, Rested};
use super::transport::Transport;
use crate::metrics::Resting;
use crate::worker::Worker;

/// Connections looked at in one go.
const BATCH: usize = 64;
/// The limit on how long they rest is kept to within this.
const SWEEP: Duration = Duration::from_millis(250);

/// A worker's connections at rest.
pub(crate) struct Lot {
    epoll: AsyncFd<OwnedFd>,
    /// Boxed: the table's length doubles when it grows, the rows do not.
    rested: RefCell<Slab<Box<Row>>>,
    /// When to look for those that have rested too long.
    next: Cell<Option<Instant>>,
    sooner: Notify,
    closed: Cell<bool>,
}

struct Row {
    stream: TcpStream,
    member: Member,
    until: Instant,
    _counted: Resting,
}

impl Lot {
    /// An empty one, of the runtime that this is called on.
    ///
    /// # Errors
    ///
    /// That the process has no descriptor left.
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        // SAFETY: an `OwnedFd` is one open descriptor from its making to its drop, and it is not
        // replaced in here.
        #[expect(unsafe_code, reason = "there is no safe way to say so")]
        let epoll = unsafe { AsyncFd::register_with_interest(epoll, Interest::READABLE)? };
        Ok(Self {
            epoll,
            rested: RefCell::default(),
            next: Cell::new(None),
            sooner: Notify::new(),
            closed: Cell::new(false),
        })
    }

    /// Takes in a connection for so long at most. One over TLS comes back.
    pub(crate) fn park(&self, rested: Rested, limit: Duration) -> Option<Rested> {
        let Rested {
            member,
            transport,
            counted,
        } = rested;
        let stream = match transport {
            Transport::Plain(stream) => stream,
            transport @ Transport::Tls(_) => {
                return Some(Rested {
                    member,
                    transport,
                    counted,
                });
            }
        };
        if self.closed.get() {
            return None;
        }
        let until = Instant::now() + limit;
        let mut rested = self.rested.borrow_mut();
        let row = rested.vacant_entry();
        let key = epoll::EventData::new_u64(row.key() as u64);
        let added = stream.into_std().and_then(|stream| {
            epoll::add(&self.epoll, &stream, key, epoll::EventFlags::IN)?;
            Ok(stream)
        });
        match added {
            Ok(stream) => {
                row.insert(Box::new(Row {
                    stream,
                    member,
                    until,
                    _counted: counted,
                }));
            }
            // It is closed, as an idle connection may be at any time.
            Err(error) => tracing::debug!(%error, "a connection could not rest: {error}"),
        }
        if self.next.get().is_none_or(|next| until < next) {
            self.next.set(Some(until));
            self.sooner.notify_one();
        }
        None
    }

    /// Serves those whose clients say something, and closes those that have rested too long, until the
    /// worker is to take no more requests; then closes all.
    pub(crate) async fn look_after(&self, worker: &Rc<Worker>) {
        tokio::select! {
            Err(error) = self.attend(worker) => {
                tracing::error!("idle connections are closed from here on: {error}");
            }
            () = worker.drained() => {}
        }
        self.closed.set(true);
        let gone = self.rested.take();
        drop(gone);
    }

    async fn attend(&self, worker: &Rc<Worker>) -> io::Result<()> {
        loop {
            tokio::select! {
                ready = self.epoll.readable() => {
                    if self.wake(worker)? {
                        ready?.clear_ready();
                    }
                }
                () = self.due() => self.sweep(),
            }
        }
    }

    /// Whether those were all.
    fn wake(&self, worker: &Rc<Worker>) -> io::Result<bool> {
        let mut events = Vec::with_capacity(BATCH);
        let at_once = Timespec::default();
        match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&at_once)) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let key = usize::try_from(event.data.u64()).unwrap_or(usize::MAX);
            let Some(row) = self.rested.borrow_mut().try_remove(key) else {
                continue;
            };
            let Row { stream, member, .. } = *row;
            let stream = epoll::delete(&self.epoll, &stream)
                .map_err(io::Error::from)
                .and_then(|()| tokio::net::TcpStream::from_std(stream));
            match stream {
                Ok(stream) => {
                    let worker = Rc::clone(worker);
                    let transport = Transport::Plain(stream);
                    tokio::task::spawn_local(http1::serve(
                        worker,
                        member,
                        transport,
                        BytesMut::new(),
                    ));
                }
                Err(error) => tracing::debug!(%error, "a connection could not go on: {error}"),
            }
        }
        Ok(events.len() < BATCH)
    }

    /// Waits until some may have rested too long.
    async fn due(&self) {
        loop {
            let sooner = self.sooner.notified();
            match self.next.get() {
                None => sooner.await,
                Some(at) => {
                    if tokio::time::timeout_at(at, sooner).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn sweep(&self) {
        let now = Instant::now();
        let mut rested = self.rested.borrow_mut();
        rested.retain(|_, rested| rested.until > now);
        let first = rested.iter().map(|(_, rested)| rested.until).min();
        self.next.set(first.map(|until| until.max(now + SWEEP)));
        if rested.is_empty() {
            *rested = Slab::new();
        }
    }
}

//! The UDP socket under an endpoint: sorts out what is not this process's ([`crate::udp`]).

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use quinn::udp::{EcnCodepoint, RecvMeta, Transmit};
use quinn::{
    AsyncUdpSocket, ConnectionId, ConnectionIdGenerator, Runtime as _, TokioRuntime, UdpPoller,
};
use rustix::net::SendFlags;
use tokio::net::UnixStream;
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::udp::{After, Ids, Udp, WAY, Way, destination};

/// The largest datagram there is.
const DATAGRAM: usize = 65_535;
/// Reads without a packet of this process, before others have a turn.
const TURN: usize = 32;

/// The socket.
pub(super) struct Socket {
    udp: Arc<dyn AsyncUdpSocket>,
    ids: Ids,
    before: Option<(Ids, OwnedFd)>,
    after: Arc<After>,
    source: Mutex<Source>,
}

/// Where packets come from.
struct Source {
    /// Until then from nowhere: another process reads the socket.
    wait: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// From the process after.
    passed_on: Option<(UnixStream, Vec<u8>)>,
}

/// Whose a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Own,
    Before,
    Nobody,
}

impl Socket {
    /// Must be made on the thread of its endpoint.
    pub(super) fn new(udp: Udp) -> io::Result<Arc<Self>> {
        let (before, wait) = match udp.before {
            Some(before) => {
                let wait: Pin<Box<_>> = Box::pin(before.go.cancelled_owned());
                (Some((before.ids, before.packets)), Some(wait))
            }
            None => (None, None),
        };
        Ok(Arc::new(Self {
            udp: TokioRuntime.wrap_udp_socket(udp.socket)?,
            ids: udp.ids,
            before,
            after: udp.after,
            source: Mutex::new(Source {
                wait,
                passed_on: None,
            }),
        }))
    }

    /// Packets of whomever.
    fn poll_any(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut source = self.source.lock();
        if let Some(packets) = self.after.changed(cx.waker()) {
            // It keeps packets apart, whatever tokio calls it.
            let packets = UnixStream::from_std(packets.into())?;
            source.passed_on = Some((packets, vec![0; WAY + DATAGRAM]));
        }
        while let Some((packets, buffer)) = &mut source.passed_on {
            ready!(packets.poll_read_ready(cx))?;
            match packets.try_read(buffer) {
                Ok(length @ 1..) => {
                    if accept(&buffer[..length], &mut bufs[0], &mut meta[0]) {
                        return Poll::Ready(Ok(1));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The process after has gone: the socket is this one's again.
                _ => source.passed_on = None,
            }
        }
        if let Some(wait) = &mut source.wait {
            ready!(wait.as_mut().poll(cx));
            source.wait = None;
        }
        drop(source);
        self.udp.poll_recv(cx, bufs, meta)
    }

    /// Leaves what is this process's; tells how many buffers hold any of it.
    fn sort(&self, bufs: &mut [IoSliceMut<'_>], meta: &mut [RecvMeta], count: usize) -> usize {
        let mut kept = 0;
        for index in 0..count {
            self.sort_one(&mut bufs[index], &mut meta[index]);
            if meta[index].len > 0 {
                bufs.swap(kept, index);
                meta.swap(kept, index);
                kept += 1;
            }
        }
        kept
    }

    /// One buffer can hold several packets of the same length but for the last (generic receive
    /// offload).
    fn sort_one(&self, buf: &mut [u8], meta: &mut RecvMeta) {
        let stride = if meta.stride == 0 {
            meta.len
        } else {
            meta.stride
        };
        let (mut at, mut kept) = (0, 0);
        while at < meta.len {
            let end = (at + stride).min(meta.len);
            match self.whose(&buf[at..end]) {
                Whose::Own => {
                    buf.copy_within(at..end, kept);
                    kept += end - at;
                }
                Whose::Before => self.pass_on(&buf[at..end], meta),
                Whose::Nobody => {}
            }
            at = end;
        }
        meta.len = kept;
    }

    fn whose(&self, packet: &[u8]) -> Whose {
        let Some((id, begins)) = destination(packet) else {
            return Whose::Nobody;
        };
        if self.ids.made(id) {
            return Whose::Own;
        }
        match &self.before {
            Some((ids, _)) if begins && ids.made(id) => Whose::Before,
            _ if begins => Whose::Own,
            Some(_) => Whose::Before,
            None => Whose::Nobody,
        }
    }

    /// To the process before. One that has gone, or does not follow, loses it as the network does.
    fn pass_on(&self, packet: &[u8], meta: &RecvMeta) {
        let Some((_, packets)) = &self.before else {
            return;
        };
        let way = Way {
            from: meta.addr,
            to: meta.dst_ip,
            ecn: meta.ecn.map_or(0, |ecn| ecn as u8),
        };
        let whole = [&way.to_bytes(), packet].concat();
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        if let Err(error) = rustix::net::send(packets, &whole, flags) {
            tracing::trace!(%error, "a packet for the process before is lost");
        }
    }
}

/// Takes a packet that was passed on.
fn accept(received: &[u8], buf: &mut [u8], meta: &mut RecvMeta) -> bool {
    let Some((way, packet)) = received.split_first_chunk::<WAY>() else {
        return false;
    };
    let Some(space) = buf.get_mut(..packet.len()) else {
        return false;
    };
    space.copy_from_slice(packet);
    let way = Way::of(way);
    *meta = RecvMeta {
        addr: way.from,
        len: packet.len(),
        stride: packet.len(),
        ecn: EcnCodepoint::from_bits(way.ecn),
        dst_ip: way.to,
    };
    true
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.udp).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.udp.try_send(transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        for _ in 0..TURN {
            let count = ready!(self.poll_any(cx, bufs, meta))?;
            let kept = self.sort(bufs, meta, count);
            if kept > 0 {
                return Poll::Ready(Ok(kept));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.udp.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.udp.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.udp.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.udp.may_fragment()
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("udp", &self.udp)
            .finish_non_exhaustive()
    }
}

/// Makes ids for an endpoint.
pub(super) struct Generator(pub(super) Ids);

impl ConnectionIdGenerator for Generator {
    fn generate_cid(&mut self) -> ConnectionId {
        ConnectionId::new(&self.0.make())
    }

    fn cid_len(&self) -> usize {
        Ids::LENGTH
    }

    fn cid_lifetime(&self) -> Option<std::time::Duration> {
        None
    }
}

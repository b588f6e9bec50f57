//! A UDP socket of QUIC, and how two processes share it while one takes the place of the other.
//!
//! A connection of QUIC has no socket of its own: packets of all of them come in by the one that new
//! clients use, too. So at a takeover the new process reads the socket and passes on to the old one what
//! is not its own, over a pair of Unix sockets; the old one goes on sending by the same UDP socket. Whose
//! a packet is says its connection id ([`Ids`]).

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::Waker;

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use tokio_util::sync::CancellationToken;
use zephyr_store::Keyed;

/// One socket of this process.
#[derive(Debug)]
pub(crate) struct Udp {
    pub(crate) socket: UdpSocket,
    /// Of this process's connections.
    pub(crate) ids: Ids,
    /// The process before, which has connections on the same socket.
    pub(crate) before: Option<Before>,
    pub(crate) after: Arc<After>,
}

/// The process before.
#[derive(Debug)]
pub(crate) struct Before {
    /// Takes the packets of its connections.
    pub(crate) packets: OwnedFd,
    /// Of its connections.
    pub(crate) ids: Ids,
    /// Cancelled when it reads the socket no more.
    pub(crate) go: CancellationToken,
}

/// The process after: once there is one, it reads the socket.
#[derive(Debug, Default)]
pub(crate) struct After {
    packets: Mutex<Option<OwnedFd>>,
    waker: AtomicWaker,
}

/// Connection ids of one process: a number, and a sum of it under the process's key. So it is known of a
/// packet whose it is, and of noise that it is nobody's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ids(Keyed);

/// Where a packet came from and by which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) from: SocketAddr,
    pub(crate) to: Option<IpAddr>,
    /// Explicit congestion notification (RFC 3168).
    pub(crate) ecn: u8,
}

/// Bytes of a way before its packet.
pub(crate) const WAY: usize = 40;

impl Udp {
    pub(crate) fn new(socket: UdpSocket, ids: Ids) -> Self {
        Self {
            socket,
            ids,
            before: None,
            after: Arc::default(),
        }
    }
}

impl After {
    /// From now on packets come from there, until that ends.
    pub(crate) fn give(&self, packets: OwnedFd) {
        *self.packets.lock() = Some(packets);
        self.waker.wake();
    }

    /// Where they come from, if that has changed; else `waker` is woken when it does.
    pub(crate) fn changed(&self, waker: &Waker) -> Option<OwnedFd> {
        self.waker.register(waker);
        self.packets.lock().take()
    }
}

/// A pair of sockets for packets: what goes in at one end comes out at the other as it is.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    Ok(socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        flags,
        None,
    )?)
}

impl Ids {
    pub(crate) const LENGTH: usize = 8;
    const NUMBER: usize = 4;

    /// Of a process that begins.
    pub(crate) fn random() -> Self {
        let (one, other) = uuid::Uuid::new_v4().as_u64_pair();
        Self::of([one, other])
    }

    pub(crate) fn of(key: [u64; 2]) -> Self {
        Self(Keyed::new(key))
    }

    /// For the process after; nobody else is to know.
    pub(crate) fn key(self) -> [u64; 2] {
        self.0.seed()
    }

    pub(crate) fn make(self) -> [u8; Self::LENGTH] {
        let mut id = [0; Self::LENGTH];
        id[..Self::NUMBER].copy_from_slice(&uuid::Uuid::new_v4().as_bytes()[..Self::NUMBER]);
        let sum = self.sum(&id[..Self::NUMBER]);
        id[Self::NUMBER..].copy_from_slice(&sum);
        id
    }

    /// Whether an id was made by this.
    pub(crate) fn made(self, id: &[u8]) -> bool {
        id.len() == Self::LENGTH && {
            let (number, sum) = id.split_at(Self::NUMBER);
            self.sum(number) == sum
        }
    }

    fn sum(self, number: &[u8]) -> [u8; Self::LENGTH - Self::NUMBER] {
        let [a, b, c, d, ..] = self.0.hash(&[number]).to_le_bytes();
        [a, b, c, d]
    }
}

/// The connection id that a packet is for, and whether it may be one that the client made up: the packet
/// begins a connection (RFC 9000, sections 17.2 and 17.3). None: it is no packet.
pub(crate) fn destination(packet: &[u8]) -> Option<(&[u8], bool)> {
    let first = *packet.first()?;
    if first & 0x80 == 0 {
        return Some((packet.get(1..=Ids::LENGTH)?, false));
    }
    let length = usize::from(*packet.get(5)?);
    let id = packet.get(6..6 + length)?;
    let begins = matches!(first >> 4 & 3, 0 | 1);
    Some((id, begins))
}

impl Way {
    pub(crate) fn to_bytes(self) -> [u8; WAY] {
        let octets = |address: IpAddr| match address {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        };
        let mut bytes = [0; WAY];
        bytes[0] = self.ecn;
        bytes[1] = u8::from(self.from.is_ipv4())
            | u8::from(self.to.is_some()) << 1
            | u8::from(self.to.is_some_and(|to| to.is_ipv4())) << 2;
        bytes[2..18].copy_from_slice(&octets(self.from.ip()));
        bytes[18..20].copy_from_slice(&self.from.port().to_be_bytes());
        if let Some(to) = self.to {
            bytes[20..36].copy_from_slice(&octets(to));
        }
        if let SocketAddr::V6(from) = self.from {
            bytes[36..].copy_from_slice(&from.scope_id().to_be_bytes());
        }
        bytes
    }

    pub(crate) fn of(bytes: &[u8; WAY]) -> Self {
        let address = |at: usize| Ipv6Addr::from(std::array::from_fn(|i| bytes[at + i]));
        let (from, to, flags) = (address(2), address(20), bytes[1]);
        let port = u16::from_be_bytes([bytes[18], bytes[19]]);
        let scope = u32::from_be_bytes(std::array::from_fn(|i| bytes[36 + i]));
        let from = match from.to_ipv4_mapped() {
            Some(from) if flags & 1 != 0 => SocketAddr::from((from, port)),
            _ => SocketAddrV6::new(from, port, 0, scope).into(),
        };
        let to = match to.to_ipv4_mapped() {
            Some(to) if flags & 4 != 0 => IpAddr::from(to),
            _ => to.into(),
        };
        Self {
            from,
            to: (flags & 2 != 0).then_some(to),
            ecn: bytes[0],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_known_by_who_made_them() {
        let (one, other) = (Ids::random(), Ids::random());
        let id = one.make();
        assert_ne!(id, one.make());
        assert!(one.made(&id) && Ids::of(one.key()).made(&id));
        assert!(!other.made(&id));
        for length in 0..Ids::LENGTH {
            assert!(!one.made(&id[..length]));
        }
    }

    #[test]
    fn a_packet_says_whom_it_is_for() {
        let long = |kind: u8| [&[0xc0 | kind << 4, 0, 0, 0, 1, 3], &b"abc..."[..]].concat();
        assert_eq!(destination(&long(0)), Some((&b"abc"[..], true)));
        assert_eq!(destination(&long(2)), Some((&b"abc"[..], false)));
        assert_eq!(
            destination(b"\x40abcdefghij"),
            Some((&b"abcdefgh"[..], false))
        );
        for cut in 0..9 {
            assert_eq!(destination(&b"\x40abcdefgh"[..cut]), None);
            assert_eq!(destination(&long(0)[..cut]), None);
        }
    }

    #[test]
    fn a_way_is_the_same_at_the_other_end() {
        for from in ["1.2.3.4:5", "[::ffff:1.2.3.4]:5", "[fe80::1%7]:443"] {
            for to in [
                None,
                Some("9.8.7.6"),
                Some("::ffff:9.8.7.6"),
                Some("2001:db8::1"),
            ] {
                let way = Way {
                    from: from.parse().unwrap(),
                    to: to.map(|to| to.parse().unwrap()),
                    ecn: 2,
                };
                assert_eq!(Way::of(&way.to_bytes()), way);
            }
        }
    }
}

//! Listening sockets that came with the start: from the node that ran before ([`crate::takeover`]),
//! or from systemd (`sd_listen_fds(3)`).

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{FromRawFd as _, OwnedFd};

use anyhow::{Context as _, ensure};
use socket2::SockRef;
use tokio_util::sync::CancellationToken;

use crate::udp::{Before, Ids, Udp};

/// The first file descriptor that systemd hands over.
const LISTEN_FDS_START: i32 = 3;

/// More are an error in somebody's unit.
const MAX_FROM_SYSTEMD: i32 = 1024;

/// Sockets of QUIC, and those that take the packets for the process before, in the same order.
pub(crate) const QUIC: &str = "quic";
pub(crate) const QUIC_PACKETS: &str = "quic-packets";

/// Listening sockets that came with the start, by what they are for: `http`, `admin`.
#[derive(Debug, Default)]
pub struct Sockets {
    inherited: Vec<Inherited>,
    /// Of the connections of the process before.
    ids: Option<Ids>,
    /// To be cancelled when the process before reads the sockets of QUIC no more.
    pub(crate) go: CancellationToken,
}

#[derive(Debug)]
struct Inherited {
    name: String,
    socket: OwnedFd,
    from: From,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    Predecessor,
    Systemd,
}

impl Sockets {
    /// The sockets of a node that ran before.
    pub(crate) fn of_predecessor(
        sockets: impl Iterator<Item = (String, OwnedFd)>,
        ids: Option<Ids>,
    ) -> Self {
        let inherited = |(name, socket)| Inherited {
            name,
            socket,
            from: From::Predecessor,
        };
        Self {
            inherited: sockets.map(inherited).collect(),
            ids,
            go: CancellationToken::new(),
        }
    }

    /// The sockets that systemd opened for this process, if it did. A socket is for what its
    /// `FileDescriptorName=` says (`http`, `admin`), else for what the configuration has listen at
    /// its address. Call it once, before anything else opens files.
    ///
    /// # Errors
    ///
    /// The variables are not what systemd writes.
    pub fn from_systemd(
        variable: impl Fn(&str) -> Option<String>,
        process: u32,
    ) -> anyhow::Result<Self> {
        let (Some(pid), Some(count)) = (variable("LISTEN_PID"), variable("LISTEN_FDS")) else {
            return Ok(Self::default());
        };
        // Variables are inherited by children, for whom they are not.
        if pid.parse() != Ok(process) {
            return Ok(Self::default());
        }
        let count: i32 = count.parse().context("LISTEN_FDS is not a number")?;
        ensure!(
            (0..=MAX_FROM_SYSTEMD).contains(&count),
            "LISTEN_FDS is {count}; at most {MAX_FROM_SYSTEMD} sockets can be taken"
        );
        let names = variable("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let inherited = |fd| {
            #[expect(unsafe_code, reason = "systemd says by number what it has opened")]
            // SAFETY: systemd opened these for this process, as LISTEN_PID says, and nothing else
            // in it knows of them.
            let socket = unsafe { OwnedFd::from_raw_fd(fd) };
            Inherited {
                name: names.next().unwrap_or_default().to_owned(),
                socket,
                from: From::Systemd,
            }
        };
        let all = LISTEN_FDS_START..LISTEN_FDS_START + count;
        Ok(Self {
            inherited: all.map(inherited).collect(),
            ..Self::default()
        })
    }

    /// Takes out those for `name` at this address; none when there are none, and the node binds.
    pub(crate) fn take(&mut self, name: &str, address: SocketAddr) -> io::Result<Vec<TcpListener>> {
        let fits = |inherited: &mut Inherited| {
            let at = SockRef::from(&inherited.socket).local_addr();
            let at = at.ok().and_then(|at| at.as_socket());
            let here = at.is_some_and(|at| is_at(at, address));
            match inherited.from {
                From::Predecessor => inherited.name == name && here,
                From::Systemd => inherited.name == name || here,
            }
        };
        self.inherited
            .extract_if(.., fits)
            .map(|inherited| {
                let listener = TcpListener::from(inherited.socket);
                listener.set_nonblocking(true)?;
                Ok(listener)
            })
            .collect()
    }

    /// Takes out the sockets of QUIC at this address, which the process before reads until
    /// [`Sockets::go`]. The connections made here have these `ids`.
    pub(crate) fn take_udp(&mut self, address: SocketAddr, ids: Ids) -> io::Result<Vec<Udp>> {
        let named = |name| move |inherited: &mut Inherited| inherited.name == name;
        let packets: Vec<_> = self.inherited.extract_if(.., named(QUIC_PACKETS)).collect();
        let sockets: Vec<_> = self.inherited.extract_if(.., named(QUIC)).collect();
        let of_before = self.ids;
        let mut taken = Vec::new();
        for (socket, packets) in sockets.into_iter().zip(packets) {
            let at = SockRef::from(&socket.socket).local_addr()?.as_socket();
            if at.is_some_and(|at| is_at(at, address)) {
                let mut udp = Udp::new(socket.socket.into(), ids);
                udp.socket.set_nonblocking(true)?;
                udp.before = of_before.map(|ids| Before {
                    packets: packets.socket,
                    ids,
                    go: self.go.clone(),
                });
                taken.push(udp);
            }
        }
        Ok(taken)
    }

    /// Says what came and is of no use: the configuration listens somewhere else.
    pub(crate) fn warn_of_rest(&self) {
        for Inherited { name, socket, .. } in &self.inherited {
            let at = SockRef::from(socket).local_addr();
            let at = at.ok().and_then(|at| at.as_socket());
            tracing::warn!(
                ?at,
                "the socket {name:?} that came with the start is not used"
            );
        }
    }
}

fn is_at(socket: SocketAddr, configured: SocketAddr) -> bool {
    socket.ip() == configured.ip() && (configured.port() == 0 || socket.port() == configured.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> (Sockets, Vec<SocketAddr>) {
        let bound: Vec<_> = names
            .iter()
            .map(|name| (name, TcpListener::bind("127.0.0.1:0").unwrap()))
            .collect();
        let addresses = bound.iter().map(|(_, s)| s.local_addr().unwrap()).collect();
        let named = bound
            .into_iter()
            .map(|(name, socket)| ((*name).to_owned(), socket.into()));
        (Sockets::of_predecessor(named, None), addresses)
    }

    #[test]
    fn a_socket_is_taken_once_and_where_it_listens() {
        let (mut sockets, at) = of(&["http", "admin", "http"]);
        let any = "127.0.0.1:0".parse().unwrap();
        assert_eq!(sockets.take("admin", at[0]).unwrap().len(), 0);
        assert_eq!(sockets.take("http", any).unwrap().len(), 2);
        assert_eq!(sockets.take("http", any).unwrap().len(), 0);
        assert_eq!(sockets.take("admin", at[1]).unwrap().len(), 1);
    }

    #[test]
    fn variables_for_another_process_are_none() {
        let came = |sockets: anyhow::Result<Sockets>| sockets.unwrap().inherited;
        let variable = |name: &str| match name {
            "LISTEN_PID" => Some("7".to_owned()),
            "LISTEN_FDS" => Some("1".to_owned()),
            _ => None,
        };
        assert!(came(Sockets::from_systemd(variable, 8)).is_empty());
        assert!(came(Sockets::from_systemd(|_| None, 8)).is_empty());
        let wrong = |name: &str| match name {
            "LISTEN_PID" => Some("7".to_owned()),
            _ => Some("many".to_owned()),
        };
        assert!(Sockets::from_systemd(wrong, 7).is_err());
    }
}

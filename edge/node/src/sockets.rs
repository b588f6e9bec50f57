//! Listening sockets that came with the start: from the node that ran before ([`crate::takeover`]),
//! or from systemd (`sd_listen_fds(3)`).

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{FromRawFd as _, OwnedFd};

use anyhow::{Context as _, ensure};
use socket2::SockRef;

/// The first file descriptor that systemd hands over.
const LISTEN_FDS_START: i32 = 3;

/// More are an error in somebody's unit.
const MAX_FROM_SYSTEMD: i32 = 1024;

/// Listening sockets that came with the start, by what they are for: `http`, `admin`.
#[derive(Debug, Default)]
pub struct Sockets(Vec<Inherited>);

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
    pub(crate) fn of_predecessor(sockets: impl Iterator<Item = (String, OwnedFd)>) -> Self {
        let inherited = |(name, socket)| Inherited {
            name,
            socket,
            from: From::Predecessor,
        };
        Self(sockets.map(inherited).collect())
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
        Ok(Self(all.map(inherited).collect()))
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
        self.0
            .extract_if(.., fits)
            .map(|inherited| {
                let listener = TcpListener::from(inherited.socket);
                listener.set_nonblocking(true)?;
                Ok(listener)
            })
            .collect()
    }

    /// Says what came and is of no use: the configuration listens somewhere else.
    pub(crate) fn warn_of_rest(&self) {
        for Inherited { name, socket, .. } in &self.0 {
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
        (Sockets::of_predecessor(named), addresses)
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
        let variable = |name: &str| match name {
            "LISTEN_PID" => Some("7".to_owned()),
            "LISTEN_FDS" => Some("1".to_owned()),
            _ => None,
        };
        assert!(Sockets::from_systemd(variable, 8).unwrap().0.is_empty());
        assert!(Sockets::from_systemd(|_| None, 8).unwrap().0.is_empty());
        let wrong = |name: &str| match name {
            "LISTEN_PID" => Some("7".to_owned()),
            _ => Some("many".to_owned()),
        };
        assert!(Sockets::from_systemd(wrong, 7).is_err());
    }
}

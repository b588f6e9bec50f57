//! Listening sockets: one for each worker, on the same port, among which the kernel shares out the
//! connections (`SO_REUSEPORT`).

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use socket2::{Domain, Socket, Type};

use crate::config::Listen;
use crate::connection::{self, Admitted, Port};
use crate::metrics::Count;
use crate::shared::Place;
use crate::sockets;
use crate::udp::{Ids, Udp};
use crate::worker::Worker;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// Binds a socket for each of `count` workers. Port 0 is chosen once and then shared.
///
/// # Errors
///
/// Whatever binding says; that the port is taken, above all.
fn bind(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    // Sockets that share a port share it with another node's too. A bind that does not share shows
    // whether the port is taken.
    drop(bound(address, Type::STREAM, false)?);
    let first = bound(address, Type::STREAM, true)?;
    let chosen = first.local_addr()?.as_socket().unwrap_or(address);
    let mut sockets = vec![first];
    for _ in 1..count {
        sockets.push(bound(chosen, Type::STREAM, true)?);
    }
    sockets
        .into_iter()
        .map(|socket| {
            socket.listen(BACKLOG)?;
            Ok(socket.into())
        })
        .collect()
}

/// The sockets of each of `count` workers: those that came with the start, else new ones. Each of the
/// former has its own queue of connections, so none may be left out: with fewer workers than before
/// some accept from several. With more workers the others get new sockets on the same port, or share
/// one when the port cannot be shared out by the kernel.
///
/// # Errors
///
/// As [`bind`].
fn share_out(
    inherited: Vec<TcpListener>,
    address: SocketAddr,
    count: usize,
) -> io::Result<Vec<Vec<TcpListener>>> {
    if inherited.is_empty() {
        let alone = |socket| vec![socket];
        return Ok(bind(address, count)?.into_iter().map(alone).collect());
    }
    let at = inherited[0].local_addr()?;
    let spreads = socket2::SockRef::from(&inherited[0]).reuse_port()?;
    let mut workers: Vec<Vec<TcpListener>> = (0..count).map(|_| Vec::new()).collect();
    for worker in inherited.len()..count {
        let another = spreads.then(|| {
            let socket = bound(at, Type::STREAM, true)?;
            socket.listen(BACKLOG).map(|()| socket)
        });
        workers[worker].push(match another {
            Some(Ok(socket)) => socket.into(),
            _ => inherited[worker % inherited.len()].try_clone()?,
        });
    }
    for (index, socket) in inherited.into_iter().enumerate() {
        workers[index % count].push(socket);
    }
    Ok(workers)
}

fn bound(address: SocketAddr, kind: Type, shares: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    // On UDP it would share the port with whoever asks.
    if kind == Type::STREAM {
        socket.set_reuse_address(true)?;
    }
    socket.set_reuse_port(shares)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// The listening sockets of one worker.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) http: Vec<TcpListener>,
    /// Empty: no TLS.
    pub(crate) https: Vec<TcpListener>,
    /// Empty: no HTTP/3.
    pub(crate) quic: Vec<Udp>,
}

/// The sockets of `count` workers, for all that `listen` names: those that came with the start, else
/// new ones.
///
/// # Errors
///
/// Whatever binding says, with the key of the address.
pub(crate) fn bind_all(
    listen: &Listen,
    count: usize,
    inherited: &mut sockets::Sockets,
) -> anyhow::Result<Vec<Sockets>> {
    let mut take = |name: &str, address: SocketAddr| {
        let came = inherited.take(name, address)?;
        share_out(came, address, count)
            .with_context(|| format!("cannot listen on {address} (listen.{name})"))
    };
    let http = take("http", listen.http)?;
    let https = match listen.https {
        Some(address) => take("https", address)?,
        None => Vec::new(),
    };
    let quic = match https.iter().flatten().next() {
        Some(socket) if listen.http3 => {
            let address = socket.local_addr()?;
            let ids = Ids::random();
            let came = inherited.take_udp(address, ids)?;
            share_out_udp(came, address, count, ids)
                .with_context(|| format!("cannot listen on UDP {address} (listen.http3)"))?
        }
        _ => Vec::new(),
    };
    let (mut https, mut quic) = (https.into_iter(), quic.into_iter());
    let with_others = |http| Sockets {
        http,
        https: https.next().unwrap_or_default(),
        quic: quic.next().unwrap_or_default(),
    };
    Ok(http.into_iter().map(with_others).collect())
}

/// The sockets of QUIC of each of `count` workers: those that came with the start, else new ones. With
/// more workers than before some have none: one more on the port would change which of the others the
/// packets of a connection come in by.
fn share_out_udp(
    inherited: Vec<Udp>,
    address: SocketAddr,
    count: usize,
    ids: Ids,
) -> io::Result<Vec<Vec<Udp>>> {
    let mut workers: Vec<Vec<Udp>> = (0..count).map(|_| Vec::new()).collect();
    if inherited.is_empty() {
        // Nobody else may be on that port.
        drop(bound(address, Type::DGRAM, false)?);
        for worker in &mut workers {
            let socket = bound(address, Type::DGRAM, true)?;
            worker.push(Udp::new(socket.into(), ids));
        }
    }
    for (index, socket) in inherited.into_iter().enumerate() {
        workers[index % count].push(socket);
    }
    Ok(workers)
}

/// Accepts connections until aborted.
pub(crate) async fn accept(worker: Rc<Worker>, listener: tokio::net::TcpListener, port: Port) {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                if is_of_one_connection(&error) {
                    continue;
                }
                // Out of file descriptors or memory: it passes when others end.
                tracing::error!(%error, "no connection can be accepted: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        worker.metrics.count(Count::Accepted);
        let serving = worker.serving();
        let Some(place) = Place::take(&worker.node, worker.setup().config.listen.max_connections)
        else {
            worker.metrics.count(Count::TurnedAway);
            continue;
        };
        let admitted = Admitted {
            _place: place,
            _serving: serving,
        };
        let worker = Rc::clone(&worker);
        tokio::task::spawn_local(connection::serve(worker, stream, peer, port, admitted));
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_inherited_queue_has_a_worker_and_every_worker_a_queue() {
        let any = "127.0.0.1:0".parse().unwrap();
        for (before, now) in [(4, 2), (2, 2), (2, 3), (1, 4)] {
            let inherited = bind(any, before).unwrap();
            let at = inherited[0].local_addr().unwrap();
            let shared = share_out(inherited, at, now).unwrap();
            assert_eq!(shared.len(), now);
            assert!(shared.iter().all(|sockets| !sockets.is_empty()));
            let all: Vec<_> = shared.iter().flatten().collect();
            assert_eq!(all.len(), before.max(now));
            assert!(all.iter().all(|socket| socket.local_addr().unwrap() == at));
        }
    }

    #[test]
    fn a_socket_that_is_alone_on_its_port_is_shared() {
        // As systemd makes them without `ReusePort=`.
        let alone = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = alone.local_addr().unwrap();
        let shared = share_out(vec![alone], at, 3).unwrap();
        assert!(shared.iter().all(|sockets| sockets.len() == 1));
    }
}

//! Listening sockets: one for each worker, on the same port, among which the kernel shares out the
//! connections (`SO_REUSEPORT`).

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::connection;
use crate::metrics::Count;
use crate::shared::Place;
use crate::worker::Worker;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// Binds a socket for each of `count` workers. Port 0 is chosen once and then shared.
///
/// # Errors
///
/// Whatever binding says; that the port is taken, above all.
pub(crate) fn bind(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    // Sockets that share a port share it with another node's too. A bind that does not share shows
    // whether the port is taken.
    drop(bound(address, false)?);
    let first = bound(address, true)?;
    let chosen = first.local_addr()?.as_socket().unwrap_or(address);
    let mut sockets = vec![first];
    for _ in 1..count {
        sockets.push(bound(chosen, true)?);
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
pub(crate) fn share_out(
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
            let socket = bound(at, true)?;
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

fn bound(address: SocketAddr, shares: bool) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shares)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Accepts connections until aborted.
pub(crate) async fn accept(worker: Rc<Worker>, listener: tokio::net::TcpListener) {
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
        let worker = Rc::clone(&worker);
        tokio::task::spawn_local(async move {
            connection::serve(worker, stream, peer).await;
            drop((place, serving));
        });
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

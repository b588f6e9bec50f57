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

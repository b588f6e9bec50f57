//! Listening sockets: one for each worker, on the same port, among which the kernel shares out the
//! connections (`SO_REUSEPORT`).

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use socket2::{Domain, Socket, Type};

use crate::config::Listen;
use crate::connection::{self, Port};
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
    pub(crate) http: TcpListener,
    /// None: no TLS.
    pub(crate) https: Option<TcpListener>,
    /// None: no HTTP/3.
    #[cfg_attr(not(feature = "http3"), expect(dead_code, reason = "nobody takes it"))]
    pub(crate) quic: Option<UdpSocket>,
}

/// Binds the sockets of `count` workers, for all that `listen` names.
///
/// # Errors
///
/// Whatever binding says, with the key of the address.
pub(crate) fn bind_all(listen: &Listen, count: usize) -> anyhow::Result<Vec<Sockets>> {
    let bind = |address: SocketAddr, key: &str| {
        bind(address, count).with_context(|| format!("cannot listen on {address} ({key})"))
    };
    let http = bind(listen.http, "listen.http")?;
    let https = match listen.https {
        Some(address) => bind(address, "listen.https")?,
        None => Vec::new(),
    };
    let quic = match https.first() {
        Some(socket) if listen.http3 => {
            let address = socket.local_addr()?;
            bind_udp(address, count)
                .with_context(|| format!("cannot listen on UDP {address} (listen.http3)"))?
        }
        _ => Vec::new(),
    };
    let (mut https, mut quic) = (https.into_iter(), quic.into_iter());
    let with_others = |http| Sockets {
        http,
        https: https.next(),
        quic: quic.next(),
    };
    Ok(http.into_iter().map(with_others).collect())
}

fn bind_udp(address: SocketAddr, count: usize) -> io::Result<Vec<UdpSocket>> {
    drop(bound(address, Type::DGRAM, false)?);
    let bind = |_| bound(address, Type::DGRAM, true).map(Into::into);
    (0..count).map(bind).collect()
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
        let Some(place) = Place::take(&worker.node) else {
            worker.metrics.count(Count::TurnedAway);
            continue;
        };
        let worker = Rc::clone(&worker);
        tokio::task::spawn_local(async move {
            connection::serve(worker, stream, peer, port).await;
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

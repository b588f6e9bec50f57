//! Serves one client's connection: finds out its protocol, runs hyper on it, closes it when it
//! keeps the node waiting or the node is to stop.

mod calm;
mod drive;
mod gather;
mod handshake;
mod http1;
mod http2;
mod linger;
#[cfg(target_os = "linux")]
mod lot;
mod lull;
mod member;
mod preface;
mod proxied;
mod socket;
mod state;
mod timekeeper;
mod transport;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::net::TcpStream;
use zephyr_tls::proxy_protocol::Source;

pub(crate) use http1::builder as http1_builder;
pub(crate) use http2::{LocalExecutor, builder as http2_builder};
#[cfg(target_os = "linux")]
pub(crate) use lot::Lot;
pub(crate) use lull::Lulls;
pub(crate) use member::{Admitted, Rested};
pub(crate) use state::Connection;

use crate::config::{Listen, Network};
use crate::http1::Limits;
use crate::metrics::{self, Count, Open};
use crate::worker::Worker;
use member::Member;
use preface::Protocol;
use transport::Transport;

/// Which of the node's ports a connection came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    /// `listen.http`.
    Plain,
    /// `listen.https`.
    Tls,
}

/// Serves a connection to its end.
///
/// Until there is something to serve, a connection is no more than a socket and this future: what is
/// large is boxed when it is needed.
pub(crate) async fn serve(
    worker: Rc<Worker>,
    mut stream: TcpStream,
    peer: SocketAddr,
    port: Port,
    admitted: Admitted,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone before it was served");
        return;
    }
    let setup = worker.setup();
    let listen = &setup.config.listen;
    let mut peer = canonical(peer);
    if Network::any_contains(&listen.proxy_protocol, peer.ip()) {
        let limit = listen.proxy_protocol_timeout;
        match Box::pin(client_behind(&worker, &mut stream, limit)).await {
            Some(Source::Client { source, .. }) => peer = canonical(source),
            Some(Source::Local | Source::Unknown) => {}
            None => return,
        }
    }
    let trusted = Network::any_contains(&listen.trusted_proxies, peer.ip());
    // A trusted proxy speaks for many.
    let of_address = match listen.max_connections_per_ip {
        bound @ 1.. if !trusted => match worker.node.per_address.take(peer.ip(), bound) {
            Some(place) => Some(place),
            None => return worker.metrics.count(Count::TurnedAwayByAddress),
        },
        _ => None,
    };
    let (head_limit, handshake_limit) = (listen.header_read_timeout, listen.handshake_timeout);
    let handshakes = listen.max_handshakes;
    // A connection outlives configurations; only requests hold on to theirs.
    drop(setup);
    let mut first = BytesMut::new();
    let http1;
    let transport = if port == Port::Plain {
        let detected = preface::detect(&mut stream);
        let detected = in_time(&worker, head_limit, detected).await;
        let Some(Ok(Some(protocol))) = detected else {
            return;
        };
        http1 = matches!(protocol, Protocol::Http1(_));
        let (Protocol::Http1(read) | Protocol::Http2(read)) = protocol;
        first = read;
        Transport::Plain(stream)
    } else {
        let Some(tls) = &worker.node.tls else { return };
        let shaken = async {
            // Nothing is allocated for a client that sends nothing.
            let first = handshake::first_byte(&stream).await?;
            Box::pin(handshake::accept(&worker, tls, handshakes, stream, first)).await
        };
        let Some(Some(stream)) = in_time(&worker, handshake_limit, shaken).await else {
            return;
        };
        http1 = stream.get_ref().1.alpn_protocol() != Some(b"h2");
        Transport::Tls(stream)
    };
    let protocol = match http1 {
        true => metrics::Protocol::Http1,
        false => metrics::Protocol::Http2,
    };
    let member = Member {
        peer,
        trusted,
        tls: port == Port::Tls,
        _open: Open::new(&worker.metrics, protocol),
        _of_address: of_address,
        _admitted: admitted,
    };
    match http1 {
        true => http1::serve(worker, member, transport, first).await,
        false => Box::pin(http2::serve(worker, member, transport, first)).await,
    }
}

/// An IPv4 address mapped into IPv6 is the IPv4 address.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// What happens within the limit; none when it does not, which is counted, or when the node is to
/// stop.
pub(crate) async fn in_time<T>(
    worker: &Worker,
    limit: Duration,
    what: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        done = tokio::time::timeout(limit, what) => {
            if done.is_err() {
                worker.metrics.count(Count::Stalled);
            }
            done.ok()
        }
        () = worker.drained() => None,
    }
}

/// Whose connection it is, by the PROXY protocol; none when that is not said, which is counted.
async fn client_behind(worker: &Worker, stream: &mut TcpStream, limit: Duration) -> Option<Source> {
    match in_time(worker, limit, proxied::read(stream)).await? {
        Ok(source) => Some(source),
        Err(error) => {
            worker.metrics.count(Count::ProxyRefused);
            tracing::debug!(%error, "a balancer's connection is closed: {error}");
            None
        }
    }
}

fn limits(listen: &Listen) -> Limits {
    Limits {
        bytes: listen.max_header_bytes.as_usize(),
        fields: listen.max_headers as usize,
    }
}

//! HTTP/3 (RFC 9114): QUIC on the UDP port of `listen.https`, an endpoint for each worker.
//!
//! The kernel sends all packets of one client's address to the same worker's socket
//! (`SO_REUSEPORT`), so a connection stays where it began; it cannot move to another address. When
//! another process takes over it has the same sockets ([`socket`]).

mod connection;
mod received;
mod request;
mod socket;

use std::rc::Rc;
use std::sync::Arc;

use anyhow::Context as _;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, EndpointConfig, ServerConfig, TokioRuntime, TransportConfig, VarInt};

use crate::config::{Listen, Network};
use crate::metrics::Count;
use crate::shared::Place;
use crate::udp::Udp;
use crate::worker::Worker;
use socket::{Generator, Socket};

/// Streams besides those of requests: control, QPACK's two, and some that are to be ignored (RFC
/// 9114, section 6.2).
const OTHER_STREAMS: u32 = 8;
/// Of one request's body, in bytes.
const STREAM_WINDOW: u32 = 256 * 1024;
/// Of all requests' bodies on one connection, in bytes.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// What was sent on one connection and is not acknowledged, in bytes.
const SEND_WINDOW: u64 = 2 * 1024 * 1024;

/// The endpoint of one worker; must be made on its thread.
///
/// # Errors
///
/// The socket's, or that rustls speaks no QUIC.
pub(crate) fn endpoint(worker: &Worker, udp: Udp) -> anyhow::Result<Endpoint> {
    let tls = worker.node.tls.as_ref().and_then(crate::tls::Tls::quic);
    let tls = tls.context("there is no configuration of TLS for QUIC")?;
    let crypto = QuicServerConfig::try_from(tls).context("TLS for QUIC")?;
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    let setup = worker.setup();
    let listen = &setup.config.listen;
    config.transport_config(Arc::new(transport(listen)?));
    config.migration(false);
    config.max_incoming(listen.max_handshakes as usize);
    let mut of_endpoint = EndpointConfig::default();
    let ids = udp.ids;
    of_endpoint.cid_generator(move || Box::new(Generator(ids)));
    let socket = Socket::new(udp)?;
    let runtime = Arc::new(TokioRuntime);
    Ok(Endpoint::new_with_abstract_socket(
        of_endpoint,
        Some(config),
        socket,
        runtime,
    )?)
}

fn transport(listen: &Listen) -> anyhow::Result<TransportConfig> {
    let mut transport = TransportConfig::default();
    transport.max_concurrent_bidi_streams(VarInt::from_u32(listen.max_streams));
    transport.max_concurrent_uni_streams(VarInt::from_u32(OTHER_STREAMS));
    transport.stream_receive_window(VarInt::from_u32(STREAM_WINDOW));
    transport.receive_window(VarInt::from_u32(CONNECTION_WINDOW));
    transport.send_window(SEND_WINDOW);
    transport.datagram_receive_buffer_size(None);
    let idle = listen
        .idle_timeout
        .try_into()
        .context("listen.idle_timeout")?;
    transport.max_idle_timeout(Some(idle));
    Ok(transport)
}

/// Accepts connections until aborted.
pub(crate) async fn accept(worker: Rc<Worker>, endpoint: Endpoint) {
    while let Some(incoming) = endpoint.accept().await {
        let Some(tls) = &worker.node.tls else { return };
        let setup = worker.setup();
        let listen = &setup.config.listen;
        // Whoever cannot be reached at its address has borrowed it; that matters when many come.
        let many = tls.handshakes() >= listen.max_handshakes / 2;
        if many && incoming.may_retry() {
            if let Err(error) = incoming.retry() {
                error.into_incoming().ignore();
            }
            continue;
        }
        worker.metrics.count(Count::Accepted);
        let serving = worker.serving();
        let Some(place) = Place::take(&worker.node, listen.max_connections) else {
            worker.metrics.count(Count::TurnedAway);
            incoming.refuse();
            continue;
        };
        let peer = incoming.remote_address();
        let trusted = Network::any_contains(&listen.trusted_proxies, peer.ip());
        let of_address = match listen.max_connections_per_ip {
            bound @ 1.. if !trusted => worker.node.per_address.take(peer.ip(), bound),
            _ => None,
        };
        if of_address.is_none() && listen.max_connections_per_ip > 0 && !trusted {
            worker.metrics.count(Count::TurnedAwayByAddress);
            incoming.refuse();
            continue;
        }
        let worker = Rc::clone(&worker);
        tokio::task::spawn_local(async move {
            connection::serve(worker, incoming, trusted).await;
            drop((place, of_address, serving));
        });
    }
}

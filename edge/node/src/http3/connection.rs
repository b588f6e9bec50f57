//! One connection of HTTP/3: handshake, requests, and its end.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use quinn::Incoming;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::request;
use crate::connection::{Connection, canonical, in_time};
use crate::metrics::{Count, Open, Protocol};
use crate::worker::Worker;

/// How long a client may take to close a connection that it was asked to. What it has sent before it
/// heard of that is still answered, and what was sent last reaches it.
const FAREWELL: Duration = Duration::from_secs(1);
/// Whoever is sent more bytes than this in that time has not got all of an answer yet: when it has
/// ended here, up to a window of it still waits for the client.
const SILENCE: u64 = 8 * 1024;

/// Serves a connection to its end.
pub(super) async fn serve(worker: Rc<Worker>, incoming: Incoming, trusted: bool) {
    let Some(quic) = handshake(&worker, incoming).await else {
        return;
    };
    let _open = Open::new(&worker.metrics, Protocol::Http3);
    let setup = worker.setup();
    let listen = &setup.config.listen;
    let mut builder = h3::server::builder();
    builder.max_field_section_size(listen.max_header_bytes.0);
    let transport = h3_quinn::Connection::new(quic.clone());
    let built = builder.build::<_, Bytes>(transport);
    let Some(Ok(mut h3)) = in_time(&worker, listen.handshake_timeout, built).await else {
        return;
    };
    let peer = canonical(quic.remote_address());
    let connection = Rc::new(Connection::new(peer, trusted, false, true));
    let mut requests = JoinSet::new();
    let (mut leaving, mut told, mut accepted_any) = (false, false, false);
    let mut sent = 0;
    let mut quiet_until = Instant::now() + listen.idle_timeout;
    loop {
        tokio::select! {
            accepted = h3.accept() => match accepted {
                // GOAWAY has told the client that nothing of it was taken (section 5.2): it asks again
                // elsewhere.
                Ok(Some(_)) if leaving && !accepted_any => {}
                Ok(Some(resolver)) => {
                    accepted_any = true;
                    let (worker, connection) = (Rc::clone(&worker), Rc::clone(&connection));
                    requests.spawn_local(request::answer(worker, connection, resolver));
                }
                Ok(None) => break,
                Err(error) => {
                    if !error.is_h3_no_error() {
                        tracing::debug!(%error, "a connection of HTTP/3 ended early");
                    }
                    return;
                }
            },
            Some(_) = requests.join_next() => {
                let quiet = if leaving { FAREWELL } else { listen.idle_timeout };
                quiet_until = Instant::now() + quiet;
            }
            () = worker.left(), if !leaving => leaving = true,
            () = tokio::time::sleep_until(quiet_until), if requests.is_empty() => {
                let before = std::mem::replace(&mut sent, quic.stats().udp_tx.bytes);
                if leaving && sent - before <= SILENCE {
                    break;
                }
                leaving = true;
                quiet_until = Instant::now() + FAREWELL;
            }
        }
        if leaving && !told {
            told = true;
            sent = quic.stats().udp_tx.bytes;
            quiet_until = Instant::now() + FAREWELL;
            // As many as can be on their way: none of those is turned away, and no others come.
            if h3.shutdown(listen.max_streams as usize).await.is_err() {
                return;
            }
        }
    }
}

async fn handshake(worker: &Worker, incoming: Incoming) -> Option<quinn::Connection> {
    let tls = worker.node.tls.as_ref()?;
    let setup = worker.setup();
    let listen = &setup.config.listen;
    let Some(_place) = tls.handshake(listen.max_handshakes) else {
        worker.metrics.count(Count::HandshakesTurnedAway);
        incoming.refuse();
        return None;
    };
    let connecting = incoming.accept();
    let shaken = async { connecting?.await };
    match in_time(worker, listen.handshake_timeout, shaken).await? {
        Ok(quic) => {
            worker.metrics.count(Count::Handshakes);
            Some(quic)
        }
        Err(error) => {
            worker.metrics.count(Count::HandshakesFailed);
            tracing::debug!(%error, "a handshake of QUIC failed: {error}");
            None
        }
    }
}

//! The TLS handshake of a connection, and what is said to a client that speaks no TLS.

use std::io;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::metrics::Count;
use crate::tls::Tls;
use crate::worker::Worker;

/// For a client that speaks HTTP where TLS is spoken, as nginx has it.
const NOT_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    content-type: text/plain; charset=utf-8\r\ncontent-length: 38\r\nconnection: close\r\n\r\n\
    This port speaks TLS: ask it by https.";

/// Shakes hands; none when that fails, which is counted here.
pub(super) async fn accept(
    worker: &Worker,
    tls: &Tls,
    bound: u32,
    mut stream: TcpStream,
) -> Option<Box<TlsStream<TcpStream>>> {
    // Nothing is allocated for a client that sends nothing.
    let mut first = [0];
    if !matches!(stream.peek(&mut first).await, Ok(1)) {
        return None;
    }
    let Some(_place) = tls.handshake(bound) else {
        worker.metrics.count(Count::HandshakesTurnedAway);
        return None;
    };
    if first[0].is_ascii_uppercase() {
        worker.metrics.count(Count::HandshakesFailed);
        if let Err(error) = explain(&mut stream).await {
            tracing::debug!(%error, "a client without TLS has left");
        }
        return None;
    }
    match TlsAcceptor::from(tls.config()).accept(stream).await {
        Ok(stream) => {
            worker.metrics.count(Count::Handshakes);
            Some(Box::new(stream))
        }
        Err(error) => {
            worker.metrics.count(Count::HandshakesFailed);
            tracing::debug!(%error, "a TLS handshake failed: {error}");
            None
        }
    }
}

async fn explain(stream: &mut TcpStream) -> io::Result<()> {
    // What is left unread would turn the end into a reset, and that may overtake the answer.
    let mut head = [0; 4096];
    let _ = stream.try_read(&mut head);
    stream.write_all(NOT_TLS).await?;
    stream.shutdown().await
}

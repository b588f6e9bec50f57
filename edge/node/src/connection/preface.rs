//! Finds out whether a client speaks HTTP/1 or HTTP/2 with prior knowledge (RFC 9113, section 3.4).

use std::io;

use bytes::BytesMut;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a client speaks, and the bytes that told it.
#[derive(Debug)]
pub(super) enum Protocol {
    Http1(BytesMut),
    Http2(BytesMut),
}

/// Reads until the first bytes are or are not the preface of HTTP/2; none when the client has left.
pub(super) async fn detect(stream: &mut TcpStream) -> io::Result<Option<Protocol>> {
    // Nothing is allocated for a client that sends nothing.
    stream.readable().await?;
    // Enough for most first heads, so that they come in one read.
    let mut first = BytesMut::with_capacity(1024);
    loop {
        if stream.read_buf(&mut first).await? == 0 {
            return Ok(None);
        }
        let compared = first.len().min(PREFACE.len());
        if first[..compared] != PREFACE[..compared] {
            return Ok(Some(Protocol::Http1(first)));
        }
        if compared == PREFACE.len() {
            return Ok(Some(Protocol::Http2(first)));
        }
    }
}

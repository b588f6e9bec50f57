//! Takes the header of the PROXY protocol off a connection, and not a byte more.

use std::io;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use zephyr_tls::proxy_protocol::{self, Source};

/// Most headers fit.
const FIRST_ROOM: usize = 256;

/// Reads the header.
///
/// # Errors
///
/// The stream's, that it ends within the header, or that there is none.
pub(super) async fn read(stream: &mut TcpStream) -> io::Result<Source> {
    let mut bytes = vec![0; FIRST_ROOM];
    let mut have = 0;
    loop {
        if have == bytes.len() {
            // The parser refuses what is longer than its bound.
            bytes.resize(bytes.len() * 2, 0);
        }
        let seen = stream.peek(&mut bytes[have..]).await?;
        if seen == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let parsed = proxy_protocol::parse(&bytes[..have + seen])
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        // Of a header that goes on everything is part of it.
        let end = parsed.map_or(have + seen, |(_, length)| length);
        stream.read_exact(&mut bytes[have..end]).await?;
        have = end;
        if let Some((source, _)) = parsed {
            return Ok(source);
        }
    }
}

//! What a connection costs that has had one answer and is kept open with nothing to do.

use std::net::TcpStream;

use anyhow::Context as _;

use super::case::Address;
use super::memory;
use super::probe;

/// Requests before memory is looked at, so that what is allocated once is allocated.
const WARM_UP: usize = 64;

/// Opens `count` connections, one request each, and returns by how many bytes the server's resident
/// memory grew for each of them. What the kernel holds for the sockets is not in it.
#[expect(
    clippy::cast_precision_loss,
    reason = "bytes of a process by a count of connections"
)]
pub(crate) fn bytes_per_connection(
    server: &Address,
    path: &str,
    count: usize,
) -> anyhow::Result<f64> {
    drop(open(server, path, WARM_UP)?);
    let before = memory::resident(server.pid)?;
    let connections = open(server, path, count)?;
    let after = memory::resident(server.pid)?;
    // The first one is the most likely to have been closed for being idle.
    let still_open = connections.first().is_none_or(is_open);
    anyhow::ensure!(
        still_open,
        "the server closed connections before all {count} were open"
    );
    Ok(after.saturating_sub(before) as f64 / connections.len() as f64)
}

fn open(server: &Address, path: &str, count: usize) -> anyhow::Result<Vec<TcpStream>> {
    (0..count)
        .map(|at| {
            probe::keep(server.port, path)
                .with_context(|| format!("connection {} of {count}", at + 1))
        })
        .collect()
}

/// Whether the other side has not closed it: there is nothing to read, not even an end.
fn is_open(stream: &TcpStream) -> bool {
    let peeked = stream
        .set_nonblocking(true)
        .and_then(|()| stream.peek(&mut [0]));
    matches!(peeked, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};

    #[test]
    fn a_closed_connection_is_seen() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        assert!(is_open(&stream));
        drop(accepted);
        // The end arrives when it arrives: waiting for it is a blocking peek.
        stream.set_nonblocking(false).unwrap();
        assert_eq!(stream.peek(&mut [0]).unwrap(), 0);
        assert!(!is_open(&stream));
    }
}

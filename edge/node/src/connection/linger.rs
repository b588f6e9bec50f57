//! Closing without loss: a socket that is closed while bytes of the client are unread is reset, and
//! the answer on its way to the client may be lost with it (RFC 9112, section 9.6).

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::worker::Worker;

/// How long the client may take to close its side.
const PATIENCE: Duration = Duration::from_secs(2);
/// And while the node stops.
const LITTLE_PATIENCE: Duration = Duration::from_millis(100);

/// Says that nothing more will be written, reads what still comes and forgets it, until the client
/// closes or patience ends.
pub(super) async fn linger(mut stream: impl AsyncRead + AsyncWrite + Unpin, worker: &Worker) {
    let rest = async {
        // hyper has done so already, unless it ended with an error.
        if stream.shutdown().await.is_err() {
            return;
        }
        let mut forgotten = [0; 4096];
        while matches!(stream.read(&mut forgotten).await, Ok(1..)) {}
    };
    let stopping = async {
        worker.drained().await;
        tokio::time::sleep(LITTLE_PATIENCE).await;
    };
    tokio::select! {
        () = rest => {}
        () = stopping => {}
        () = tokio::time::sleep(PATIENCE) => {}
    }
}

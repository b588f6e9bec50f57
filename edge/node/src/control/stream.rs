//! Reads the control stream: bytes into lines, lines into changes.

use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use http::StatusCode;
use http_body_util::BodyExt as _;

use zephyr_edge_pipeline::control::{Change, Kind};

use super::{Client, origin};

/// The origin sends a line at least every five seconds; this long without one, it is gone.
const SILENCE: Duration = Duration::from_secs(15);
/// A longer line is an error: a hello carries all of the site's keys and values.
const LINE: usize = 16 << 20;

/// Why the stream ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The connection could not be made.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The system trusts nobody.
    #[error("{0}")]
    Tls(String),
    /// The connection broke.
    #[error("{0}")]
    Http(#[from] hyper::Error),
    /// The origin said no.
    #[error("the origin answers {0}")]
    Status(StatusCode),
    /// The origin says nothing.
    #[error("no word for {0:?}")]
    Silent(Duration),
    /// What cannot be sent or understood.
    #[error("bad {0}")]
    Protocol(&'static str),
    /// A line that is no change.
    #[error("a line is not understood: {0}")]
    Line(#[from] serde_json::Error),
    /// The site's keys and values could not be stored.
    #[error("the site's keys and values cannot be stored: {0}")]
    Kv(#[from] zephyr_kv::Error),
}

/// Follows the stream to its end.
pub(super) async fn follow(client: &mut Client) -> Result<(), Error> {
    let (url, node) = (&client.config.url, &client.node.name);
    let mut body = origin::changes(url, &client.token, node, client.state.seq).await?;
    let mut buffer = BytesMut::new();
    let mut greeted = false;
    // Where the search for the end of a line goes on.
    let mut searched = 0;
    loop {
        let frame = tokio::time::timeout(SILENCE, body.frame()).await;
        let Some(frame) = frame.map_err(|_| Error::Silent(SILENCE))? else {
            return Ok(());
        };
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        buffer.extend_from_slice(&data);
        while let Some(end) = memchr::memchr(b'\n', &buffer[searched..]) {
            let line = buffer.split_to(searched + end);
            buffer.advance(1);
            searched = 0;
            let change: Change = serde_json::from_slice(&line)?;
            if !greeted && !matches!(change.kind, Kind::Hello { .. }) {
                return Err(Error::Protocol("first line: not a hello"));
            }
            greeted = true;
            client.apply(change).await?;
        }
        searched = buffer.len();
        if searched > LINE {
            return Err(Error::Protocol("line: too long"));
        }
    }
}

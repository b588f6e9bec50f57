//! The change log as a node follows it: JSON lines, kept open.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use zephyr_db::{Db, DbError};

use crate::store;

/// A line at least this often, so that both sides notice a dead connection.
const PING: Duration = Duration::from_secs(5);
/// Lines that may wait for a slow node. When they do, the stream waits; it never gathers more.
const BUFFER: usize = 64;

/// What a stream needs.
pub(crate) struct Source {
    pub(crate) db: Db,
    pub(crate) head: watch::Receiver<i64>,
    pub(crate) stop: CancellationToken,
}

/// Begins a stream behind `after`, or at the head. The first line is there already, or the error.
/// One that does not follow ends with a ping once it has told all there is.
///
/// # Errors
///
/// The database is away.
pub(crate) async fn open(
    source: Source,
    after: Option<i64>,
    follow: bool,
) -> Result<mpsc::Receiver<Result<Bytes, std::io::Error>>, DbError> {
    let start = store::start(&source.db).await?;
    // Too old, or of another life of this database.
    let known = after.filter(|after| (start.oldest - 1..=start.head).contains(after));
    let seq = known.unwrap_or(start.head);
    let kv: Map<String, Value> = start.kv.into_iter().map(|(k, v)| (k, v.into())).collect();
    let reset = after.is_some() && known.is_none();
    let hello = json!({ "seq": seq, "kind": "hello", "kv": kv, "reset": reset });

    let (lines, receiver) = mpsc::channel(BUFFER);
    let follower = Follower {
        source,
        lines,
        seq,
        kv_known: start.head,
        follow,
    };
    tokio::spawn(follower.run(hello));
    Ok(receiver)
}

struct Follower {
    source: Source,
    lines: mpsc::Sender<Result<Bytes, std::io::Error>>,
    /// The last change that was sent.
    seq: i64,
    /// Up to here the first line has told all keys and values: older ones would undo newer ones.
    kv_known: i64,
    /// Whether to stay for what is still to come.
    follow: bool,
}

/// The node is gone.
struct Gone;

impl Follower {
    async fn run(mut self, hello: Value) {
        let stop = self.source.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            _ = self.follow(hello) => {}
        }
    }

    async fn follow(&mut self, hello: Value) -> Result<(), Gone> {
        self.send(&hello).await?;
        loop {
            let head = *self.source.head.borrow_and_update();
            match self.catch_up(head).await {
                Ok(sent) => sent?,
                Err(error) => {
                    // The node reconnects, and finds out then whether the database is back.
                    tracing::debug!(%error, "A change stream ends: {error}");
                    return Err(Gone);
                }
            }
            if !self.follow {
                return self.ping().await;
            }
            tokio::select! {
                changed = self.source.head.changed() => changed.map_err(|_| Gone)?,
                () = tokio::time::sleep(PING) => self.ping().await?,
                () = self.lines.closed() => return Err(Gone),
            }
        }
    }

    /// Sends what is behind the last change sent. `head` is how far the log reached before.
    async fn catch_up(&mut self, head: i64) -> Result<Result<(), Gone>, DbError> {
        loop {
            let changes = store::changes_after(&self.source.db, self.seq).await?;
            if changes.is_empty() {
                // Trimmed away, as below, if the log is known to reach further.
                return Ok(if self.seq < head { Err(Gone) } else { Ok(()) });
            }
            for (seq, kind, mut payload) in changes {
                if seq != self.seq + 1 {
                    // The node took its lines so slowly that the log was trimmed behind its back.
                    // It must not step over the gap; when it comes back it is told to start anew.
                    tracing::warn!(
                        sent = self.seq,
                        oldest = seq,
                        "A change stream ends: after {} the log goes on with {seq}",
                        self.seq
                    );
                    return Ok(Err(Gone));
                }
                self.seq = seq;
                let sent = match kind.as_str() {
                    "kv" if seq <= self.kv_known => Ok(()),
                    "kv" => {
                        let (key, value) = (&payload["key"], &payload["value"]);
                        let line = json!({ "seq": seq, "kind": "kv", "key": key, "value": value });
                        self.send(&line).await
                    }
                    _ => {
                        // Beside the purge: a node that does not know it drops instead.
                        let soft = payload.as_object_mut().and_then(|all| all.remove("soft"));
                        let mut line = json!({ "seq": seq, "kind": "purge", "purge": payload });
                        if let Some(soft) = soft {
                            line["soft"] = soft;
                        }
                        self.send(&line).await
                    }
                };
                if let Err(gone) = sent {
                    return Ok(Err(gone));
                }
            }
        }
    }

    async fn ping(&mut self) -> Result<(), Gone> {
        self.send(&json!({ "seq": self.seq, "kind": "ping" })).await
    }

    async fn send(&self, line: &Value) -> Result<(), Gone> {
        let line = Bytes::from(format!("{line}\n"));
        self.lines.send(Ok(line)).await.map_err(|_| Gone)
    }
}

//! One listener per origin that wakes all its streams: the head of the change log, as it moves.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use zephyr_db::{Db, Waker};

use crate::store;

/// How long a lost notification can go unnoticed.
const POLL: Duration = Duration::from_secs(1);

/// Follows the head until told to stop. Survives a database that goes and comes back.
pub(crate) async fn follow(db: Db, head: watch::Sender<i64>, stop: CancellationToken) {
    let mut waker = Waker::new(store::CHANNEL);
    while !stop.is_cancelled() {
        waker.listen(&db).await;
        match store::head(&db).await {
            Ok(seq) => {
                head.send_if_modified(|known| std::mem::replace(known, seq) != seq);
            }
            Err(error) => tracing::debug!(%error, "The change log cannot be read: {error}"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(POLL) => {}
            () = waker.woken() => {}
        }
    }
}

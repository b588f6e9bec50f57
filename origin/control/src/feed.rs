//! One listener per origin that wakes all its streams: the head of the change log, as it moves.

use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use zephyr_db::Db;

use crate::store;

/// How long a lost notification can go unnoticed.
const POLL: Duration = Duration::from_secs(1);

/// Follows the head until told to stop. Survives a database that goes and comes back.
pub(crate) async fn follow(db: Db, head: watch::Sender<i64>, stop: CancellationToken) {
    let mut listener = None;
    while !stop.is_cancelled() {
        if listener.is_none() {
            listener = listen(&db).await;
        }
        match store::head(&db).await {
            Ok(seq) => {
                head.send_if_modified(|known| std::mem::replace(known, seq) != seq);
            }
            Err(error) => tracing::debug!(%error, "The change log cannot be read: {error}"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(POLL) => {}
            awake = woken(&mut listener) => if !awake { listener = None },
        }
    }
}

async fn listen(db: &Db) -> Option<PgListener> {
    let mut listener = PgListener::connect_with(db.write()).await.ok()?;
    listener.listen(store::CHANNEL).await.ok()?;
    Some(listener)
}

async fn woken(listener: &mut Option<PgListener>) -> bool {
    match listener {
        Some(listener) => matches!(listener.try_recv().await, Ok(Some(_))),
        None => std::future::pending().await,
    }
}

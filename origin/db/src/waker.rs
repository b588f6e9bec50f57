//! Wakes a job when a transaction commits that concerns it, by PostgreSQL's `LISTEN` and `NOTIFY`.
//!
//! Notifications are a hint: they are lost with a connection. A job that sleeps on a waker must look
//! for work by itself from time to time, too.

use std::time::Duration;

use sqlx::postgres::PgListener;

use crate::Db;

/// Listens on one channel, again after a lost connection.
#[derive(Debug)]
pub struct Waker {
    channel: &'static str,
    listener: Option<PgListener>,
}

impl Waker {
    /// A waker that does not listen yet.
    #[must_use]
    pub fn new(channel: &'static str) -> Self {
        let listener = None;
        Self { channel, listener }
    }

    /// Makes sure that it listens, if the database answers.
    pub async fn listen(&mut self, db: &Db) {
        if self.listener.is_none() {
            self.listener = connect(db, self.channel).await.ok();
        }
    }

    /// Waits for a notification, or for the loss of the connection that would bring it. All that
    /// have come by then count as one. For ever when it does not listen.
    pub async fn woken(&mut self) {
        let Some(listener) = &mut self.listener else {
            return std::future::pending().await;
        };
        let mut news = listener.try_recv().await;
        while matches!(news, Ok(Some(_))) {
            match tokio::time::timeout(Duration::ZERO, listener.try_recv()).await {
                Ok(next) => news = next,
                Err(_) => return,
            }
        }
        self.listener = None;
    }
}

async fn connect(db: &Db, channel: &str) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(db.write()).await?;
    // A lost connection is told at once, and `listen` makes a new one.
    listener.eager_reconnect(false);
    listener.listen(channel).await?;
    Ok(listener)
}

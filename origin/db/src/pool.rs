//! Connection pools, for writes and for reads apart, so that reads can go to a replica.

use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, PgPool, PgTransaction};

use crate::DbError;

/// How to reach the database.
#[derive(Clone, Debug)]
pub struct DbOptions {
    /// `postgres://user:password@host/database`, or with `?host=/folder` a Unix socket.
    pub url: SecretString,
    /// A replica to read from; the same server when none.
    pub read_url: Option<SecretString>,
    /// Most connections of each pool.
    pub max_connections: u32,
    /// How long a request waits for a connection before it is told that the database is away.
    pub acquire_timeout: Duration,
    /// The longest a statement may run.
    pub statement_timeout: Duration,
}

impl DbOptions {
    /// The defaults, for this server.
    #[must_use]
    pub fn new(url: SecretString) -> Self {
        Self {
            url,
            read_url: None,
            max_connections: 16,
            acquire_timeout: Duration::from_secs(2),
            statement_timeout: Duration::from_secs(10),
        }
    }
}

/// The database.
#[derive(Clone, Debug)]
pub struct Db {
    write: PgPool,
    read: PgPool,
}

impl Db {
    /// Pools that connect when they are first used, so that the origin starts and recovers by itself
    /// whatever the database does.
    ///
    /// # Errors
    ///
    /// A URL that cannot be read.
    pub fn lazy(options: &DbOptions) -> Result<Self, DbError> {
        let write = pool(&options.url, options)?;
        let read = match &options.read_url {
            Some(url) => pool(url, options)?,
            None => write.clone(),
        };
        Ok(Self { write, read })
    }

    /// One pool for both.
    #[must_use]
    pub fn from_pool(pool: PgPool) -> Self {
        Self {
            write: pool.clone(),
            read: pool,
        }
    }

    /// For what changes, or must see the latest.
    #[must_use]
    pub fn write(&self) -> &PgPool {
        &self.write
    }

    /// For what may lag a moment behind.
    #[must_use]
    pub fn read(&self) -> &PgPool {
        &self.read
    }

    /// Begins a transaction.
    ///
    /// # Errors
    ///
    /// The database is away.
    pub async fn begin(&self) -> Result<PgTransaction<'static>, DbError> {
        Ok(self.write.begin().await?)
    }

    /// Asks the database for a sign of life.
    ///
    /// # Errors
    ///
    /// It gives none.
    pub async fn ping(&self) -> Result<(), DbError> {
        sqlx::query("select 1").execute(&self.write).await?;
        Ok(())
    }

    /// Closes all connections, once their work is done.
    pub async fn close(&self) {
        self.write.close().await;
        self.read.close().await;
    }
}

fn pool(url: &SecretString, options: &DbOptions) -> Result<PgPool, DbError> {
    let timeout = options.statement_timeout.as_millis().to_string();
    // An origin that vanishes in the midst of a transaction must not hold its locks until TCP gives
    // up, hours later.
    let idle = options.statement_timeout.max(Duration::from_secs(30));
    let idle = idle.as_millis().to_string();
    let connect = PgConnectOptions::from_str(url.expose_secret())?
        .application_name("zephyr")
        .options([
            ("statement_timeout", timeout.as_str()),
            ("idle_in_transaction_session_timeout", idle.as_str()),
        ])
        .log_slow_statements(tracing::log::LevelFilter::Warn, Duration::from_secs(1))
        .log_statements(tracing::log::LevelFilter::Off);
    Ok(PgPoolOptions::new()
        .max_connections(options.max_connections)
        .acquire_timeout(options.acquire_timeout)
        .idle_timeout(Duration::from_secs(600))
        .connect_lazy_with(connect))
}

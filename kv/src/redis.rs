//! Keys and values on a Redis server, shared by all nodes of a site.
//!
//! | key on the server | holds |
//! |---|---|
//! | `{<namespace>}:v:<key>` | a value, with Redis' own expiry |
//! | `{<namespace>}:keys` | a sorted set of all keys, because Redis itself lists in no order |
//! | `{<namespace>}:expiries` | a sorted set of the keys that expire, by when |
//!
//! The braces keep a name space in one slot of a Redis Cluster. Every write is one script, so it is
//! atomic and one trip. Keys that expired leave the sorted sets a few with each write and when a
//! listing meets them.

mod error;
mod scripts;

use std::fmt;
use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands, Client, FromRedisValue, RedisResult, ScriptInvocation};
use secrecy::{ExposeSecret, SecretString};

use crate::{Error, Page, Store, bounds};
use error::failed;
use scripts::Scripts;

/// Calls that wait in the connection's queue; past it, callers wait to be allowed to wait.
const QUEUE: usize = 1024;

/// Which server, and how long to wait for it.
#[derive(Clone, Debug)]
pub struct Options {
    /// `redis://[user:password@]host[:port][/database]` or `redis+unix:///path`. May hold a
    /// password.
    pub url: SecretString,
    /// What this store's keys begin with on the server: 1 to 64 letters, digits, `-`, `_`, `.`.
    pub namespace: String,
    /// How long a call may take in all, a new connection included.
    pub timeout: Duration,
    /// How long one attempt to connect may take.
    pub connect_timeout: Duration,
}

impl Options {
    /// A server with the defaults: name space `zephyr`, 500 ms for a call, 300 ms to connect.
    #[must_use]
    pub fn new(url: SecretString) -> Self {
        Self {
            url,
            namespace: "zephyr".into(),
            timeout: Duration::from_millis(500),
            connect_timeout: Duration::from_millis(300),
        }
    }
}

/// Keys and values on a Redis server.
pub struct Redis {
    connection: ConnectionManager,
    timeout: Duration,
    values: String,
    keys: String,
    expiries: String,
    scripts: Scripts,
}

impl Redis {
    /// A store on this server. Connects at the first call, and again after a break. Must be called
    /// within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the URL or the name space is wrong.
    pub fn connect(options: Options) -> Result<Self, Error> {
        let Options {
            url,
            namespace,
            timeout,
            connect_timeout,
        } = options;
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if namespace.is_empty() || namespace.len() > 64 || !namespace.chars().all(legal) {
            let why = "the name space is not 1 to 64 letters, digits, `-`, `_` or `.`";
            return Err(Error::Invalid(why.into()));
        }
        // The library's text says what is wrong and never repeats the URL.
        let invalid = |error| Error::Invalid(format!("the Redis URL cannot be used: {error}"));
        let client = Client::open(url.expose_secret()).map_err(invalid)?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(connect_timeout))
            .set_response_timeout(Some(timeout))
            .set_min_delay(Duration::from_millis(10))
            .set_max_delay(Duration::from_millis(100))
            .set_number_of_retries(1)
            .set_pipeline_buffer_size(QUEUE);
        let connection =
            ConnectionManager::new_lazy_with_config(client, config).map_err(invalid)?;
        Ok(Self {
            connection,
            timeout,
            values: format!("{{{namespace}}}:v:"),
            keys: format!("{{{namespace}}}:keys"),
            expiries: format!("{{{namespace}}}:expiries"),
            scripts: Scripts::new(),
        })
    }

    fn value_key(&self, key: &str) -> String {
        format!("{}{key}", self.values)
    }

    /// Waits for an answer, but not longer than a call may take.
    async fn wait<T>(&self, call: impl Future<Output = RedisResult<T>>) -> Result<T, Error> {
        match tokio::time::timeout(self.timeout, call).await {
            Ok(answer) => answer.map_err(failed),
            Err(elapsed) => {
                let message = format!("no answer from Redis in {} ms", self.timeout.as_millis());
                Err(Error::unavailable(message, elapsed))
            }
        }
    }

    /// Runs a script on one key; `arguments` follow the key and where values are.
    async fn run<T: FromRedisValue>(
        &self,
        script: &redis::Script,
        key: &str,
        arguments: impl FnOnce(&mut ScriptInvocation<'_>),
    ) -> Result<T, Error> {
        let mut invocation = script.prepare_invoke();
        invocation
            .key(self.value_key(key))
            .key(&self.keys)
            .key(&self.expiries);
        invocation.arg(key).arg(&self.values);
        arguments(&mut invocation);
        self.wait(invocation.invoke_async(&mut self.connection.clone()))
            .await
    }
}

/// No time to live is an empty argument.
fn ttl_argument(ttl: Option<u64>) -> String {
    ttl.map_or_else(String::new, |ttl| ttl.to_string())
}

#[async_trait]
impl Store for Redis {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        bounds::key(key)?;
        let value: Option<Vec<u8>> = self
            .wait(self.connection.clone().get(self.value_key(key)))
            .await?;
        Ok(value.map(Bytes::from))
    }

    async fn set(&self, key: &str, value: Bytes, ttl: Option<Duration>) -> Result<(), Error> {
        bounds::key(key)?;
        bounds::value(&value)?;
        let ttl = ttl_argument(bounds::ttl(ttl)?);
        self.run(&self.scripts.set, key, |call| {
            call.arg(ttl).arg(&value[..]);
        })
        .await
    }

    async fn delete(&self, key: &str) -> Result<bool, Error> {
        bounds::key(key)?;
        self.run(&self.scripts.delete, key, |_| ()).await
    }

    async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<bool, Error> {
        bounds::key(key)?;
        bounds::value(&value)?;
        let ttl = ttl_argument(bounds::ttl(ttl)?);
        self.run(&self.scripts.compare_and_set, key, |call| {
            call.arg(ttl).arg(&value[..]);
            if let Some(expected) = expected {
                call.arg(expected);
            }
        })
        .await
    }

    async fn increment(&self, key: &str, by: i64, ttl: Option<Duration>) -> Result<i64, Error> {
        bounds::key(key)?;
        let ttl = ttl_argument(bounds::ttl(ttl)?);
        let sum: String = self
            .run(&self.scripts.increment, key, |call| {
                call.arg(ttl).arg(by);
            })
            .await?;
        sum.parse()
            .map_err(|source| Error::corrupt("Redis answered with no number", source))
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Page, Error> {
        bounds::page(prefix, after, limit)?;
        let from = match after {
            Some(after) if after >= prefix => format!("({after}"),
            _ => format!("[{prefix}"),
        };
        // No key, being UTF-8, holds the byte 0xff.
        let to = [b"(", prefix.as_bytes(), b"\xff"].concat();
        let mut invocation = self.scripts.list.prepare_invoke();
        invocation.key(&self.keys).key(&self.expiries);
        invocation.arg(&self.values).arg(from).arg(to).arg(limit);
        let mut connection = self.connection.clone();
        let call = invocation.invoke_async(&mut connection);
        let (keys, next): (Vec<String>, Option<String>) = self.wait(call).await?;
        Ok(Page { keys, next })
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

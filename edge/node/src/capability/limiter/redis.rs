//! Rate limits counted on a Redis server, for all nodes of a site.
//!
//! One script call a check, by the server's own clock: nodes whose clocks differ count alike. All
//! keys of a call must lie on one server, so this is for one server, not for a Redis Cluster.

use std::fmt;
use std::time::Duration;

use ::redis::aio::{ConnectionManager, ConnectionManagerConfig};
use ::redis::{Client, Script};
use secrecy::{ExposeSecret as _, SecretString};
use zephyr_edge_core::capability::{Decision, Limit, LimiterError};
use zephyr_edge_core::gcra;

use super::RateLimiter;
use crate::capability::Answer;

/// Checks that wait in the connection's queue.
const QUEUE: usize = 4096;
/// Integers of the script's answer, a limit.
const FIELDS: usize = 4;

/// Which server, and how long to wait for it.
#[derive(Clone, Debug)]
pub struct RedisOptions {
    /// `redis://[user:password@]host[:port][/database]` or `redis+unix:///path`. May hold a
    /// password.
    pub url: SecretString,
    /// What the keys begin with on the server.
    pub prefix: String,
    /// How long a check may take, a new connection included.
    pub timeout: Duration,
}

impl RedisOptions {
    /// A server with the defaults: keys below `zephyr:limit:`, 200 ms for a check.
    #[must_use]
    pub fn new(url: SecretString) -> Self {
        Self {
            url,
            prefix: "zephyr:limit:".to_owned(),
            timeout: Duration::from_millis(200),
        }
    }
}

/// Counts on a Redis server.
pub struct RedisLimiter {
    connection: ConnectionManager,
    script: Script,
    prefix: String,
    timeout: Duration,
}

impl fmt::Debug for RedisLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLimiter")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl RedisLimiter {
    /// A limiter on this server. Connects at the first check, and again after a break. Must be
    /// called within a tokio runtime that lives as long as the limiter: it drives the connection.
    ///
    /// # Errors
    ///
    /// [`LimiterError::Unavailable`] when the URL cannot be used.
    pub fn connect(options: RedisOptions) -> Result<Self, LimiterError> {
        let RedisOptions {
            url,
            prefix,
            timeout,
        } = options;
        // The library's text says what is wrong and never repeats the URL.
        let unusable =
            |error| LimiterError::Unavailable(format!("the Redis URL cannot be used: {error}"));
        let client = Client::open(url.expose_secret()).map_err(unusable)?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(timeout))
            .set_response_timeout(Some(timeout))
            .set_min_delay(Duration::from_millis(10))
            .set_max_delay(Duration::from_millis(100))
            .set_number_of_retries(1)
            .set_pipeline_buffer_size(QUEUE);
        let connection =
            ConnectionManager::new_lazy_with_config(client, config).map_err(unusable)?;
        let script = Script::new(include_str!("check.lua"));
        Ok(Self {
            connection,
            script,
            prefix,
            timeout,
        })
    }

    async fn run(&self, limits: &[Limit]) -> Result<Vec<Decision>, LimiterError> {
        gcra::validate(limits)?;
        let mut call = self.script.prepare_invoke();
        for limit in limits {
            call.key(format!("{}{}", self.prefix, limit.key));
            call.arg(u64::try_from(limit.period.as_micros()).unwrap_or(u64::MAX));
            call.arg(limit.count).arg(limit.burst).arg(limit.cost);
        }
        let mut connection = self.connection.clone();
        let answer = call.invoke_async::<Vec<u64>>(&mut connection);
        let unavailable = LimiterError::Unavailable;
        let answer = match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(unavailable(format!("Redis: {error}"))),
            Err(_) => {
                let millis = self.timeout.as_millis();
                return Err(unavailable(format!("no answer from Redis in {millis} ms")));
            }
        };
        if answer.len() != limits.len() * FIELDS {
            return Err(unavailable("Redis answered with something else".to_owned()));
        }
        Ok(answer.chunks_exact(FIELDS).map(decision).collect())
    }
}

fn decision(fields: &[u64]) -> Decision {
    Decision {
        allowed: fields[0] == 1,
        remaining: u32::try_from(fields[1]).unwrap_or(u32::MAX),
        reset_after: Duration::from_micros(fields[2]),
        retry_after: Duration::from_micros(fields[3]),
    }
}

impl RateLimiter for RedisLimiter {
    fn check<'a>(&'a self, limits: &'a [Limit]) -> Answer<'a, Result<Vec<Decision>, LimiterError>> {
        Answer::Waits(Box::pin(self.run(limits)))
    }
}

//! What a host must be able to do.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use zephyr_edge_core::capability::{Clock, Decision, KvError, Limit, LimiterError, Log, Random};
use zephyr_edge_pipeline::config::UpstreamConfig;
use zephyr_edge_pipeline::{BoxError, ProxyError};

use crate::cache::{Marks, Record};

/// A future that belongs to one thread.
pub type Local<T> = Pin<Box<dyn Future<Output = T>>>;

/// A body as the host has it. It streams unless somebody collects it.
#[expect(async_fn_in_trait, reason = "these hosts run one thread an instance")]
pub trait HostBody: From<Bytes> + 'static {
    /// Whether it has no bytes.
    fn is_empty(&self) -> bool;
    /// How many bytes it has, when that is known.
    fn length(&self) -> Option<u64>;
    /// Reads all of it.
    ///
    /// # Errors
    ///
    /// It broke off, or has more than `limit` bytes.
    async fn collect(self, limit: usize) -> Result<Bytes, BoxError>;
}

/// The capabilities of a host. Keys of the store and of limits come in their name spaces already.
#[expect(async_fn_in_trait, reason = "these hosts run one thread an instance")]
pub trait Platform: Clock + Random + Log + 'static {
    /// Its bodies.
    type Body: HostBody;

    /// The value of a key.
    ///
    /// # Errors
    ///
    /// See [`KvError`].
    async fn kv_get(&self, key: &str) -> Result<Option<Vec<u8>>, KvError>;
    /// Sets a key.
    ///
    /// # Errors
    ///
    /// See [`KvError`].
    async fn kv_set(&self, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<(), KvError>;
    /// Deletes a key.
    ///
    /// # Errors
    ///
    /// See [`KvError`].
    async fn kv_delete(&self, key: &str) -> Result<(), KvError>;
    /// Measures a request against limits; they have been validated.
    ///
    /// # Errors
    ///
    /// See [`LimiterError`]; nothing was counted.
    async fn limit(&self, limits: &[Limit]) -> Result<Vec<Decision>, LimiterError>;

    /// Asks an upstream. Redirects are answers like others; bodies stream.
    ///
    /// # Errors
    ///
    /// There is no answer; the error says whose fault that is.
    async fn fetch(
        &self,
        upstream: &UpstreamConfig,
        request: Request<Self::Body>,
    ) -> Result<Response<Self::Body>, ProxyError>;

    /// A stored answer.
    async fn load(&self, key: &str) -> Option<(Record, Self::Body)>;
    /// Stores an answer for at most `retention` while it goes to the client, who gets the body that
    /// comes back. One that breaks off, or is not as long as the record says, is not stored.
    async fn save(
        &self,
        key: &str,
        record: Record,
        retention: Duration,
        body: Self::Body,
    ) -> Self::Body;
    /// Forgets an answer.
    async fn remove(&self, key: &str);

    /// What has been purged, as far as this host knows.
    async fn marks(&self) -> Rc<Marks>;
    /// Notes purges, so that the next [`Platform::marks`] here knows of them.
    async fn purge(&self, what: crate::cache::Dropped);

    /// Goes on with something behind the client's back.
    fn detach(&self, work: Local<()>);
}

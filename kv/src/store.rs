//! The trait that every back end implements.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::Error;

/// Keys, values and counters. Object-safe, so that a node holds an `Arc<dyn Store>`.
///
/// Keys and values keep within [`bounds`](crate::bounds); what does not is [`Error::Invalid`] and
/// changes nothing. A time to live counts from the call and is rounded up to milliseconds.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    /// The value of a key; none when there is none or it has expired.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`], [`Error::Unavailable`] or [`Error::Corrupt`].
    async fn get(&self, key: &str) -> Result<Option<Bytes>, Error>;

    /// Sets a key, for at most `ttl` when given, for good otherwise.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`], [`Error::Full`], [`Error::Unavailable`] or [`Error::Corrupt`].
    async fn set(&self, key: &str, value: Bytes, ttl: Option<Duration>) -> Result<(), Error>;

    /// Deletes a key. Answers whether there was one.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`], [`Error::Unavailable`] or [`Error::Corrupt`].
    async fn delete(&self, key: &str) -> Result<bool, Error>;

    /// Sets a key only when its value is `expected`, or, when that is none, only when there is no
    /// such key. Answers whether it was set. The new value has `ttl`, whatever the old one had.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`], [`Error::Full`], [`Error::Unavailable`] or [`Error::Corrupt`].
    async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<bool, Error>;

    /// Adds `by` to a counter and answers its new value. A counter that does not exist begins at
    /// zero and lives for `ttl` when given; one that exists keeps the time it has left.
    ///
    /// A counter's value is its decimal text, so [`get`](Self::get) reads and
    /// [`set`](Self::set) writes it.
    ///
    /// # Errors
    ///
    /// [`Error::NotACounter`] and [`Error::Overflow`], which change nothing, [`Error::Invalid`],
    /// [`Error::Full`], [`Error::Unavailable`] or [`Error::Corrupt`].
    async fn increment(&self, key: &str, by: i64, ttl: Option<Duration>) -> Result<i64, Error>;

    /// Up to `limit` keys that begin with `prefix`, in the order of their bytes, from the first one
    /// past `after`. An empty prefix lists all keys.
    ///
    /// A key that exists for as long as a walk over all pages takes is seen exactly once; one that
    /// comes or goes meanwhile may or may not be.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] (also for a `limit` of 0 or above
    /// [`MAX_PAGE`](crate::bounds::MAX_PAGE)), [`Error::Unavailable`] or [`Error::Corrupt`].
    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Page, Error>;
}

/// Some keys of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The keys, in the order of their bytes.
    pub keys: Vec<String>,
    /// What to pass as `after` for the next page; none on the last one.
    pub next: Option<String>,
}

impl Page {
    /// A page of at most `limit` keys out of a listing that was asked for one key more.
    pub(crate) fn of_one_more(mut keys: Vec<String>, limit: usize) -> Self {
        let more = keys.len() > limit;
        keys.truncate(limit);
        let next = if more { keys.last().cloned() } else { None };
        Self { keys, next }
    }
}

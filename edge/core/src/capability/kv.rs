//! Keys and values.

use std::fmt;
use std::time::Duration;

/// Keys and values of a site. Keys that begin with `site/` are the site's own and read-only;
/// all others belong to the component.
#[expect(
    async_fn_in_trait,
    reason = "every host of a filter is single-threaded per instance"
)]
pub trait Kv {
    /// The value of a key; none when there is none or it has expired.
    ///
    /// # Errors
    ///
    /// See [`KvError`].
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KvError>;
    /// Sets a key, for at most `ttl` when given.
    ///
    /// # Errors
    ///
    /// See [`KvError`].
    async fn set(&self, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<(), KvError>;
    /// Deletes a key; not an error when there is none.
    ///
    /// # Errors
    ///
    /// See [`KvError`].
    async fn delete(&self, key: &str) -> Result<(), KvError>;
}

/// Why a key-value call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KvError {
    /// The key or value breaks a bound, or the key is not writable.
    Invalid(String),
    /// The back end did not answer in time.
    Unavailable(String),
}

impl fmt::Display for KvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(why) => write!(f, "invalid key-value call: {why}"),
            Self::Unavailable(why) => write!(f, "key-value store unavailable: {why}"),
        }
    }
}

impl std::error::Error for KvError {}

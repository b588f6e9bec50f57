//! What can go wrong with a call.

/// Why a call failed. Texts name no keys and no values: either may be a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The key, value, time to live or page breaks a bound. The caller is wrong; a retry is no use.
    #[error("invalid key-value call: {0}")]
    Invalid(String),
    /// The value under the key is not a counter: not the decimal text of a 64-bit integer.
    #[error("the value under this key is not a counter")]
    NotACounter,
    /// The counter would leave the range of a 64-bit integer.
    #[error("the counter would overflow")]
    Overflow,
    /// The store has reached its bound and nothing in it has expired.
    #[error("the key-value store is full: {0}")]
    Full(String),
    /// The back end cannot be reached or did not answer in time. A retry may work. Whether a write
    /// happened is not known.
    #[error("the key-value store is unavailable: {message}")]
    Unavailable {
        /// What failed.
        message: String,
        /// The back end's own error.
        #[source]
        source: Option<Source>,
    },
    /// What the back end holds cannot be read.
    #[error("the key-value store is corrupt: {message}")]
    Corrupt {
        /// What cannot be read.
        message: String,
        /// The back end's own error.
        #[source]
        source: Option<Source>,
    },
}

/// The error of a back end.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

impl Error {
    pub(crate) fn unavailable(message: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::Unavailable {
            message: message.into(),
            source: Some(source.into()),
        }
    }

    pub(crate) fn corrupt(message: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::Corrupt {
            message: message.into(),
            source: Some(source.into()),
        }
    }

    pub(crate) fn corrupt_value(message: impl Into<String>) -> Self {
        Self::Corrupt {
            message: message.into(),
            source: None,
        }
    }
}

//! Checks of signatures.

use std::fmt;

/// How a message was signed (RFC 7518, section 3.1; RFC 8037).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Ed25519 (RFC 8032). Key: 32 bytes. Signature: 64 bytes.
    EdDsa,
    /// ECDSA on P-256 with SHA-256. Key: uncompressed point, 65 bytes. Signature: r and s, 64 bytes.
    Es256,
    /// HMAC with SHA-256. Key: the secret, at least 32 bytes. Signature: 32 bytes.
    Hs256,
}

/// Verifies signatures. A host may remember what it has verified.
#[expect(
    async_fn_in_trait,
    reason = "every host of a filter is single-threaded per instance"
)]
pub trait Signatures {
    /// Whether the signature is that of the message under the key. A malformed signature is `false`.
    ///
    /// # Errors
    ///
    /// [`KeyError`] when the key is not of the algorithm's form.
    async fn verify(
        &self,
        algorithm: Algorithm,
        key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, KeyError>;
}

/// The key is not of the algorithm's form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyError(pub String);

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unusable key: {}", self.0)
    }
}

impl std::error::Error for KeyError {}

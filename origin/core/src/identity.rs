//! Who asks.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::ApiError;

/// The bearer of a token that the origin itself has verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub subject: Uuid,
    /// What the token allows.
    pub scopes: BTreeSet<String>,
}

impl Identity {
    /// Makes sure the token allows `scope`.
    ///
    /// # Errors
    ///
    /// 403 with the missing scope in `WWW-Authenticate` (RFC 6750, section 3.1).
    pub fn require(&self, scope: &str) -> Result<(), ApiError> {
        if self.scopes.contains(scope) {
            Ok(())
        } else {
            Err(ApiError::insufficient_scope(scope))
        }
    }
}

/// Verifies access tokens.
pub trait TokenVerifier: Send + Sync + 'static {
    /// The identity that a token proves.
    ///
    /// # Errors
    ///
    /// Why it proves none.
    fn verify(&self, token: &str) -> Result<Identity, TokenError>;
}

/// Why a token proves nothing. The text may go to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token of this server, or tampered with.
    #[error("The access token is not valid.")]
    Invalid,
    /// It was valid once.
    #[error("The access token has expired.")]
    Expired,
}

//! What filters may ask of the node: keys and values, rate limits, signatures. One set for all
//! filters of a node; each call names the component that asks.

pub mod limiter;
pub mod signatures;

use std::sync::Arc;

pub use limiter::RateLimiter;
pub use signatures::SignatureVerifier;

/// A future that a capability may have to wait for.
pub type Waiting<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A result that is there already, or has to be waited for. What is in memory costs no allocation.
pub enum Answer<'a, T> {
    /// There already.
    Ready(T),
    /// To be waited for.
    Waits(Waiting<'a, T>),
}

impl<T> Answer<'_, T> {
    /// The result, after waiting if need be.
    pub async fn get(self) -> T {
        match self {
            Self::Ready(value) => value,
            Self::Waits(future) => future.await,
        }
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for Answer<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ready(value) => f.debug_tuple("Ready").field(value).finish(),
            Self::Waits(_) => f.write_str("Waits"),
        }
    }
}

/// The capabilities of a node.
#[derive(Clone)]
pub struct Capabilities {
    /// Keys and values: the site's below `site/`, each component's below `c/<component>/`.
    pub kv: Arc<dyn zephyr_kv::Store>,
    /// Rate limits.
    pub limiter: Arc<dyn RateLimiter>,
    /// Checks of signatures.
    pub signatures: Arc<SignatureVerifier>,
}

impl std::fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Capabilities").finish_non_exhaustive()
    }
}

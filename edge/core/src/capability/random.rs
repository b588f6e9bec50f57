//! Randomness.

/// Gives random bytes that are fit for cryptography.
pub trait Random {
    /// Fills the buffer.
    fn fill(&self, buffer: &mut [u8]);
}

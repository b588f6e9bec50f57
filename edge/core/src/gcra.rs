//! The generic cell rate algorithm, as pure arithmetic.

//! Verifies bearer tokens at the edge.

//! Limits request rates at the edge.

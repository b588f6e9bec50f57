//! Resizes and converts images at the edge.

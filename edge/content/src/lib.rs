//! Static files and compression.

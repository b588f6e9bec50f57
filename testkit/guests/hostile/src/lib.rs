//! A filter for tests and benchmarks: hostile.

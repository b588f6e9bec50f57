//! A wasi:http service for tests and benchmarks: hello.

//! Runs components: filters of the world `zephyr:edge/filter` and `wasi:http` services.
//!
//! The interface to the pipeline. Futures here need not be `Send`: a worker is a current-thread
//! runtime. `Runtime` and the components are shared by all workers; instances belong to a thread.

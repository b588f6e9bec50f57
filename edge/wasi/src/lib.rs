//! What components share whose host speaks `wasi:http` 0.3 and `wasi:keyvalue`: the edge as a Spin
//! component, and policies as middleware.
//!
//! * [`body`]: bodies as the host's streams, spliced and not copied
//! * [`convert`]: from and to the host's messages, on raw handles
//! * [`atomic`], [`limiter`]: counters in a key-value store, by compare-and-swap
//! * [`log`]: lines on standard error
#![cfg(all(target_family = "wasm", target_os = "wasi"))]

pub mod atomic;
pub mod body;
pub mod convert;
pub mod limiter;
pub mod log;

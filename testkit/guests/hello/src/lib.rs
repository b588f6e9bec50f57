//! A `wasi:http` 0.3 service: it answers "hello", and a few paths do what tests of the service host
//! need.
//!
//! | path | answer |
//! |---|---|
//! | `/echo` | the request's body, streamed |
//! | `/fetch/{authority}/{path}` | what a GET of that gives: status and body, or the error's name |
//! | `/trap`, `/spin`, `/grow`, `/wait` | none: traps, loops, takes all memory, waits for an hour |
//! | `/late-trap` | a head and some bytes, then a trap |
//! | `/environment` | how many environment variables, arguments and open folders there are |
//! | anything else | `hello` |

#[cfg(all(target_family = "wasm", target_os = "wasi"))]
mod service;

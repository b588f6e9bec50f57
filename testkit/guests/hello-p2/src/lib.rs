//! A `wasi:http` 0.2 proxy: what older tool chains make, and the node has to run unmodified.
//!
//! | path | answer |
//! |---|---|
//! | `/echo` | the request's body, streamed |
//! | `/fetch/{authority}` | the status of a GET of that, or the error's name |
//! | `/trap`, `/silent` | none: traps, returns without an answer |
//! | anything else | `hello` |

#[cfg(all(target_family = "wasm", target_os = "wasi"))]
mod proxy;

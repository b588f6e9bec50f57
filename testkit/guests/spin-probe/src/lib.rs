//! A component of a Spin application, written with Spin's own SDK: it does what its path says and
//! answers what came of it.
//!
//! | path | answer |
//! |---|---|
//! | `/headers` | the request's `spin-*` fields, a line each, sorted |
//! | `/environment` | the environment, a line each, sorted |
//! | `/variables/{name}` | the variable by `spin:variables`, or the error's name |
//! | `/config/{name}` | the variable by `wasi:config`, or `none` |
//! | `/config` | all variables by `wasi:config`, a line each, sorted |
//! | `/kv/{store}/{key}` | GET, PUT, DELETE by `spin:key-value`; without a key: all keys |
//! | `/keyvalue/{store}/{key}` | the same by `wasi:keyvalue` |
//! | `/increment/{store}/{key}` | the counter's new value, by `wasi:keyvalue/atomics` |
//! | `/cas/{store}/{key}` | adds one by compare and swap until it succeeds: how many tries it took |
//! | `/batch/{store}` | what three keys hold after some were set and one was deleted |
//! | `/hoard/{store}` | how many compare-and-swaps can be begun before one is refused |
//! | `/fetch?{url}` | what a GET of that gives: status and body, or the error's name |
//! | anything else | the path |

#[cfg(all(target_family = "wasm", target_os = "wasi"))]
mod probe;

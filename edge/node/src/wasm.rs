//! Runs components: filters of the world `zephyr:edge/filter` and `wasi:http` services.
//!
//! The interface to the pipeline. Futures here need not be `Send`: a worker is a current-thread
//! runtime. [`Runtime`] and the components are shared by all workers; instances belong to a thread.
//!
//! What a component may do is what its world names and nothing else: a component that imports more
//! is refused when it is loaded, with the import's name.

mod aot;
mod check;
mod counters;
mod engine;
mod error;
mod filter;
mod inspect;
mod limits;
mod memory;
mod outbound;
mod runtime;
mod service;
mod stdio;
mod wasi;

pub use aot::AotStats;
pub use check::check_filter;
pub use counters::{Counters, CountersSnapshot};
pub use error::{LoadError, RuntimeError, StageError};
pub use filter::{FilterComponent, FilterStage};
pub(crate) use inspect::sha256;
pub use limits::{Limits, PoolSize};
pub use outbound::{Outbound, OutboundFuture};
pub use runtime::{Runtime, RuntimeOptions};
pub use service::ServiceComponent;
pub use zephyr_edge_core::Phases;
pub use zephyr_edge_pipeline::stages::{Phase, Verdict};

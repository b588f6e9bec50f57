//! The edge node: listener, router, pipeline, cache and upstreams.
//!
//! [`Config`] is read from `zephyr.toml`, [`Node::start`] brings a node up, [`Node::shutdown`] stops
//! it gracefully. Inside, a request walks through `listener` → `connection` → `request` → `router` →
//! `pipeline` (filters, cache, trip to the upstream or service) and back.

mod access_log;
mod admin;
mod background;
pub mod body;
pub mod cache;
mod capabilities;
pub mod capability;
mod connection;
mod content;
mod control;
mod generation;
mod http1;
#[cfg(feature = "http3")]
mod http3;
mod ids;
mod limited_body;
mod listener;
mod load;
mod metrics;
mod node;
mod per_address;
mod pipeline;
mod reload;
mod report;
mod request;
mod setup;
mod shared;
mod site_kv;
mod slow_body;
mod sockets;
pub mod spin;
pub mod takeover;
mod tls;
mod tunnel;
#[cfg_attr(
    not(feature = "http3"),
    expect(dead_code, reason = "there is no QUIC then")
)]
mod udp;
mod upstream;
pub mod wasm;
mod worker;

pub use config::{Config, ConfigError, ParseOptions};
pub use node::{Node, Options, Secrets};
pub use reload::Reread;
pub use sockets::Sockets;
pub use zephyr_edge_pipeline::{config, error, exchange, router};
pub(crate) use zephyr_edge_pipeline::{fields, forwarded};

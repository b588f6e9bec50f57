//! The node on real sockets, against real upstreams, with real components.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod acme;
mod admin;
mod balancing;
mod cache;
mod cache_on_disk;
mod compress;
mod config;
mod control;
mod dictionary;
mod faults;
mod files;
mod filters;
mod floods;
mod forwarding;
mod framing;
mod http2;
#[cfg(feature = "http3")]
mod http3;
mod keep_alive;
mod limits;
mod metrics;
mod proxy_protocol;
mod purging;
mod reload;
mod routing;
mod services;
mod shutdown;
mod slices;
mod spin;
mod streaming;
mod support;
mod tls;
mod upgrades;
mod upstream_tls;
mod upstreams;

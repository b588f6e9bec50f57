//! The node on real sockets, against real upstreams, with real components.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod acme;
mod admin;
mod balancing;
mod cache;
mod compress;
mod config;
mod control;
mod dictionary;
mod faults;
mod files;
mod filters;
mod forwarding;
mod framing;
#[cfg(feature = "http3")]
mod http3;
mod limits;
mod proxy_protocol;
mod reload;
mod routing;
mod services;
mod shutdown;
mod spin;
mod support;
mod tls;
mod upstream_tls;
mod upstreams;

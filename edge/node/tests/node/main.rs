//! The node on real sockets, against real upstreams, with real components.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod admin;
mod balancing;
mod cache;
mod config;
mod control;
mod faults;
mod filters;
mod forwarding;
mod framing;
mod limits;
mod reload;
mod routing;
mod services;
mod shutdown;
mod spin;
mod support;
mod upstream_tls;
mod upstreams;

//! The node on real sockets, against real upstreams.

mod admin;
mod config;
mod forwarding;
mod framing;
mod limits;
mod routing;
mod shutdown;
mod support;
mod upstreams;

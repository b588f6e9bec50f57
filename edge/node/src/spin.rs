//! Runs Spin applications: reads a Spin manifest of version 2 and turns it into the node's own
//! configuration.
//!
//! [`Manifest::load`] reads and checks `spin.toml`, [`to_config`] gives variables their values and
//! makes a [`Config`](crate::Config) of it, and [`Node::start`](crate::Node::start) does the rest.
//! Each component is a service with [`Grants`]: the key-value stores, variables, environment and
//! outbound hosts that its manifest names, and nothing else. The interfaces that only Spin has are
//! linked for such components alone (see `wasm::service::spin`).
//!
//! What of a manifest is not supported is an error that says so, never ignored.

mod config;
mod file;
mod grants;
mod headers;
mod hosts;
mod manifest;
mod outbound;
mod route;
mod template;
mod variables;

pub use config::{Options, to_config};
pub use grants::Grants;
pub use manifest::Manifest;
pub use route::SpinRoute;

pub(crate) use headers::{PeerPort, dress};
pub(crate) use outbound::SpinOutbound;
pub(crate) use template::is_variable_name;

//! Spin applications: reads a Spin manifest of version 2 and turns it into a node's own configuration.
//!
//! [`Manifest::load`] reads and checks `spin.toml`, and [`to_config`] gives variables their values and
//! makes a [`Config`](crate::Config) of it. Each component is a service with [`Grants`]: the key-value
//! stores, variables, environment and outbound hosts that its manifest names, and nothing else.
//!
//! What of a manifest is not supported is an error that says so, never ignored.

mod config;
mod file;
mod grants;
mod hosts;
mod manifest;
mod route;
mod template;
mod variables;

pub use config::{Options, to_config};
pub use grants::Grants;
pub use manifest::Manifest;
pub use route::SpinRoute;
pub use template::is_variable_name;

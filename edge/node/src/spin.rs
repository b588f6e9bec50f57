//! Runs Spin applications. Their manifests are read in [`zephyr_edge_pipeline::spin`]; here is what
//! their components get at run time: fields about the request, and servers to ask. The interfaces
//! that only Spin has are linked for such components alone (see `wasm::service::spin`).

mod headers;
mod outbound;

pub(crate) use zephyr_edge_pipeline::spin::is_variable_name;
pub use zephyr_edge_pipeline::spin::{Grants, Manifest, Options, SpinRoute, to_config};

pub(crate) use headers::{PeerPort, dress};
pub(crate) use outbound::SpinOutbound;

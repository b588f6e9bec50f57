//! The hosts, each started as its users start it.

mod memory;
mod network;
mod node;
mod real_spin;
mod spin;
mod workerd;

pub(crate) use memory::Memory;
pub(crate) use network::ask;
pub(crate) use node::NodeHost;
pub(crate) use real_spin::RealSpin;
pub(crate) use spin::SpinHost;
pub(crate) use workerd::Workerd;

//! What the tests speak: a node, upstreams, and a client.

mod client;
pub(crate) mod node;
pub(crate) mod tls;
mod upstream;

pub(crate) use client::{Answer, Connection, PATIENCE, get, raw, request};
pub(crate) use node::TestNode;
pub(crate) use upstream::{RawUpstream, TestUpstream, answer};

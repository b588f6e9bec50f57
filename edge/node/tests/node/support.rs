//! What the tests speak: a node, upstreams, and a client.

pub(crate) mod client;
pub(crate) mod frames;
pub(crate) mod node;
mod upstream;

pub(crate) use client::{Answer, Connection, get, raw, request};
pub(crate) use node::TestNode;
pub(crate) use upstream::{RawUpstream, TestUpstream, answer};

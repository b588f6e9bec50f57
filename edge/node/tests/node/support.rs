//! What the tests speak: a node, upstreams, and a client.

mod client;
mod dns;
pub(crate) mod node;
mod upstream;

pub(crate) use client::{Answer, Connection, PATIENCE, get, raw, request};
pub(crate) use dns::TestDns;
pub(crate) use node::TestNode;
pub(crate) use upstream::{RawUpstream, TestUpstream, answer};

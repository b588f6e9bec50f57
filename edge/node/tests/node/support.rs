//! What the tests speak: a node, upstreams, and a client.

mod client;
mod fetch;
pub(crate) mod node;
mod upstream;

pub(crate) use client::{Answer, Connection, get, raw, request};
pub(crate) use fetch::{Fetched, fetch};
pub(crate) use node::TestNode;
pub(crate) use upstream::{RawUpstream, TestUpstream, answer};

//! What the tests speak: a node, upstreams, a client, and an authority for certificates.

pub(crate) mod authority;
pub(crate) mod client;
mod dns;
mod fetch;
pub(crate) mod frames;
pub(crate) mod node;
pub(crate) mod tls;
mod until;
mod upstream;

pub(crate) use client::{Answer, Connection, PATIENCE, get, raw, request};
pub(crate) use dns::TestDns;
pub(crate) use fetch::{Fetched, fetch};
pub(crate) use node::TestNode;
pub(crate) use until::until;
pub(crate) use upstream::{RawUpstream, Seen, TestUpstream, answer};

//! What a connection is besides its socket, busy or at rest: whose it is, and the places it takes.

use std::net::SocketAddr;

use super::transport::Transport;
use crate::metrics::{Open, Resting};
use crate::per_address::OfAddress;
use crate::shared::Place;
use crate::worker::Serving;

/// A connection's place among the others.
pub(crate) struct Member {
    /// The client's address.
    pub(super) peer: SocketAddr,
    /// Whether the client is a trusted proxy.
    pub(super) trusted: bool,
    /// Whether it speaks TLS.
    pub(super) tls: bool,
    pub(super) _open: Open,
    pub(super) _of_address: Option<OfAddress>,
    pub(super) _admitted: Admitted,
}

/// A connection that is being served counts.
pub(crate) struct Admitted {
    pub(crate) _place: Place,
    pub(crate) _serving: Serving,
}

/// A connection between two requests.
pub(crate) struct Rested {
    pub(super) member: Member,
    pub(super) transport: Transport,
    pub(super) counted: Resting,
}

//! A node hands its listening sockets to the one that takes its place, so that no connection is
//! refused and none that waits to be accepted is lost.
//!
//! The running node listens on a Unix socket that only its own user may open. The new one:
//!
//! 1. connects and says which version of the handshake it speaks,
//! 2. gets the listening sockets (`SCM_RIGHTS`), and starts on them,
//! 3. asks for the folder of the cache when it is about to open it: the old one writes what waits to be
//!    written, lets go of the folder, and caches in memory from there on,
//! 4. says `ready`; the old one answers `leave`, takes no more connections and ends those it has.
//!
//! Both accept until then. If the new one ends before it is ready, the old one just goes on, and takes
//! the cache's folder back.

mod message;
mod predecessor;
mod successor;

pub use predecessor::{Predecessor, receive};

pub(crate) use successor::{Offer, listen, offer};

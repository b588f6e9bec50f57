//! What the two nodes say to each other.

use serde::{Deserialize, Serialize};

/// The version of the handshake. A node that speaks another one is told, and nothing changes.
pub(super) const VERSION: u32 = 2;

/// What a new node says first, then its version as four bytes, big-endian.
pub(super) const HELLO: &[u8; 16] = b"zephyr takeover\n";

/// That the new node is about to open the cache's folder.
pub(super) const DISK: &[u8; 6] = b"disk?\n";

/// That the old node has let go of it.
pub(super) const FREED: &[u8; 6] = b"freed\n";

/// That it cannot yet, and will.
pub(super) const LATER: &[u8; 6] = b"later\n";

/// That the new node takes requests.
pub(super) const READY: &[u8; 6] = b"ready\n";

/// That the old node takes no more.
pub(super) const LEAVE: &[u8; 6] = b"leave\n";

/// A longer head is not one.
pub(super) const MAX_HEAD: u32 = 64 * 1024;

/// File descriptors sent at once; the kernel takes 253. Each batch goes with one byte.
pub(super) const BATCH: usize = 64;

/// What the old node answers to the hello; its length comes first, as four bytes, big-endian.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Head {
    pub(super) version: u32,
    pub(super) pid: u32,
    /// What the sockets that follow are for, in their order; none when the versions differ.
    pub(super) sockets: Vec<String>,
    /// By what the ids of QUIC connections are known.
    #[serde(default)]
    pub(super) quic: Option<[u64; 2]>,
}

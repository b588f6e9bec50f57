//! The new node's side: takes the sockets, and tells when it is ready.

use std::io::{IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::message::{BATCH, DISK, FREED, HELLO, Head, LEAVE, MAX_HEAD, READY, VERSION};
use crate::sockets::Sockets;
use crate::udp::Ids;

/// For each answer of the old node.
const PATIENCE: Duration = Duration::from_secs(10);

/// The node that runs, until this one is ready.
#[derive(Debug)]
pub struct Predecessor {
    stream: UnixStream,
    pid: u32,
}

/// Takes the listening sockets of the node that listens at `path`. It goes on until
/// [`Predecessor::ready`]. Blocks for a moment.
///
/// # Errors
///
/// There is no node, or one that speaks another version of the handshake.
pub fn receive(path: &Path) -> anyhow::Result<(Sockets, Predecessor)> {
    let place = || format!("taking over from the node at {}", path.display());
    let mut stream = UnixStream::connect(path).with_context(place)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let head = greet(&mut stream).with_context(place)?;
    ensure!(
        head.version == VERSION,
        "{}: it speaks version {} of the handshake, this one {VERSION}",
        place(),
        head.version
    );
    let sockets = take_sockets(&stream, head.sockets.len()).with_context(place)?;
    let named = head.sockets.into_iter().zip(sockets);
    let pid = head.pid;
    tracing::info!(pid, "took the listening sockets of process {pid}");
    let sockets = Sockets::of_predecessor(named, head.quic.map(Ids::of));
    Ok((sockets, Predecessor { stream, pid }))
}

fn greet(stream: &mut UnixStream) -> anyhow::Result<Head> {
    stream.write_all(HELLO)?;
    stream.write_all(&VERSION.to_be_bytes())?;
    let mut length = [0; 4];
    stream.read_exact(&mut length).context("it says nothing")?;
    let length = u32::from_be_bytes(length);
    ensure!(length <= MAX_HEAD, "its answer is too long");
    let mut head = vec![0; length as usize];
    stream.read_exact(&mut head)?;
    serde_json::from_slice(&head).context("its answer is not one")
}

fn take_sockets(stream: &UnixStream, count: usize) -> anyhow::Result<Vec<OwnedFd>> {
    let mut sockets = Vec::with_capacity(count);
    while sockets.len() < count {
        let before = sockets.len();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        let mut bytes = [IoSliceMut::new(&mut byte)];
        recvmsg(stream, &mut bytes, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                sockets.extend(rights);
            }
        }
        ensure!(sockets.len() > before, "it sent fewer sockets than it said");
    }
    Ok(sockets)
}

impl Predecessor {
    /// Has the old node let go of the cache's folder; false when it does not in time, or has gone.
    /// Blocks for a moment.
    pub(crate) fn free_disk(&mut self) -> bool {
        let pid = self.pid;
        match self.ask(DISK) {
            Ok(answer) if answer == *FREED => true,
            Ok(_) => {
                tracing::warn!(
                    pid,
                    "process {pid} does not let go of the cache's folder yet"
                );
                false
            }
            Err(error) => {
                tracing::warn!(%error, pid, "process {pid} was asked for the cache's folder: {error}");
                false
            }
        }
    }

    fn ask(&mut self, question: &[u8; 6]) -> std::io::Result<[u8; 6]> {
        self.stream.write_all(question)?;
        let mut answer = [0; 6];
        self.stream.read_exact(&mut answer)?;
        Ok(answer)
    }

    /// Tells the old node that this one takes requests. It has stopped taking them when this
    /// returns. Blocks for a moment.
    ///
    /// # Errors
    ///
    /// The old node has gone; this one may go on all the same.
    pub(crate) fn ready(mut self) -> anyhow::Result<()> {
        let pid = self.pid;
        let place = || format!("process {pid} does not answer that it leaves");
        let answer = self.ask(READY).with_context(place)?;
        ensure!(answer == *LEAVE, place());
        tracing::info!(pid, "process {pid} takes no more requests");
        Ok(())
    }
}

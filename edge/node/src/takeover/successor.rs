//! The old node's side: gives the sockets away, and learns when it is to leave.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use parking_lot::Mutex;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketType,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::message::{BATCH, DISK, FREED, HELLO, Head, LATER, LEAVE, READY, VERSION};
use crate::cache::Cache;
use crate::sockets::{QUIC, QUIC_PACKETS};
use crate::udp::{self, After, Ids, Udp};

/// For a new node to say hello.
const PATIENCE: Duration = Duration::from_secs(10);
/// For a new node to become ready: it may have components to compile.
const START: Duration = Duration::from_mins(10);
/// For the disk to take what waits for it. The new node waits a little longer for the answer.
const DISK_PATIENCE: Duration = Duration::from_secs(8);

/// The listening sockets, as long as the node takes requests. Closed when it stops: one copy that
/// is left open would keep the port taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Offer(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    sockets: Vec<(&'static str, OwnedFd)>,
    quic: Vec<(OwnedFd, Arc<After>)>,
    ids: Option<Ids>,
}

/// What one new node gets.
struct Copies {
    sockets: Vec<(&'static str, OwnedFd)>,
    ids: Option<Ids>,
    /// Where the packets of this node's connections come in when the new one reads the sockets.
    packets: Vec<(Arc<After>, OwnedFd)>,
}

impl Offer {
    pub(crate) fn add(&self, name: &'static str, socket: impl std::os::fd::AsFd) -> io::Result<()> {
        let copy = socket.as_fd().try_clone_to_owned()?;
        self.0.lock().sockets.push((name, copy));
        Ok(())
    }

    pub(crate) fn add_udp(&self, udp: &Udp) -> io::Result<()> {
        let copy = udp.socket.as_fd().try_clone_to_owned()?;
        let mut held = self.0.lock();
        held.quic.push((copy, Arc::clone(&udp.after)));
        held.ids = Some(udp.ids);
        Ok(())
    }

    pub(crate) fn close(&self) {
        *self.0.lock() = Held::default();
    }

    fn copies(&self) -> io::Result<Copies> {
        let held = self.0.lock();
        let copy = |(name, socket): &(&'static str, OwnedFd)| Ok((*name, socket.try_clone()?));
        let mut copies = Copies {
            sockets: held.sockets.iter().map(copy).collect::<io::Result<_>>()?,
            ids: held.ids,
            packets: Vec::new(),
        };
        for (socket, after) in &held.quic {
            let (ours, theirs) = udp::pair()?;
            let named = [(QUIC, socket.try_clone()?), (QUIC_PACKETS, theirs)];
            copies.sockets.extend(named);
            copies.packets.push((Arc::clone(after), ours));
        }
        Ok(copies)
    }
}

/// Where a new node asks. The file is there at once or not at all, is for this user only, and takes
/// the place of one that a node before left behind.
///
/// # Errors
///
/// The folder cannot be written, or the path is too long for a socket (107 bytes).
pub(crate) fn listen(path: &Path) -> io::Result<UnixListener> {
    let made = path.with_extension(format!("{}.new", std::process::id()));
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    // Before it has a name: the file gets the mode of the socket.
    rustix::fs::fchmod(&socket, rustix::fs::Mode::from_raw_mode(0o600))?;
    let _ = std::fs::remove_file(&made);
    rustix::net::bind(&socket, &SocketAddrUnix::new(&made)?)?;
    rustix::net::listen(&socket, 4)?;
    std::fs::rename(&made, path)?;
    let listener = std::os::unix::net::UnixListener::from(socket);
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// Offers the sockets to one new node after the other, until one is ready: then `taken` is
/// cancelled. Ends when told to stop, too.
pub(crate) async fn offer(
    listener: UnixListener,
    sockets: Offer,
    cache: Arc<Cache>,
    taken: CancellationToken,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let handed = match accepted {
            Ok((stream, _)) => tokio::select! {
                () = stop.cancelled() => return,
                handed = hand_over(stream, &sockets, &cache) => handed,
            },
            Err(error) => {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Err(error.into())
            }
        };
        match handed {
            Ok(()) => {
                tracing::info!("another node has taken over");
                return taken.cancel();
            }
            Err(error) => {
                tracing::error!("nobody took over, this node goes on: {error:#}");
                cache.want_disk();
            }
        }
    }
}

async fn hand_over(
    mut stream: UnixStream,
    sockets: &Offer,
    cache: &Arc<Cache>,
) -> anyhow::Result<()> {
    let peer = stream.peer_cred()?.uid();
    let own = rustix::process::geteuid().as_raw();
    ensure!(peer == own || peer == 0, "user {peer} may not take over");
    let greeting = tokio::time::timeout(PATIENCE, async {
        let mut hello = [0; HELLO.len()];
        stream.read_exact(&mut hello).await?;
        ensure!(hello == *HELLO, "it is not a node");
        Ok(stream.read_u32().await?)
    });
    let version = greeting.await.context("it says nothing")??;
    let copies = sockets.copies()?;
    ensure!(!copies.sockets.is_empty(), "this node is stopping");
    let names = copies.sockets.iter().map(|(name, _)| (*name).to_owned());
    let same = version == VERSION;
    let head = serde_json::to_vec(&Head {
        version: VERSION,
        pid: std::process::id(),
        sockets: if same { names.collect() } else { Vec::new() },
        quic: copies.ids.filter(|_| same).map(Ids::key),
    })?;
    stream.write_u32(u32::try_from(head.len())?).await?;
    stream.write_all(&head).await?;
    if !same {
        bail!("it speaks version {version} of the handshake, this one {VERSION}");
    }
    for batch in copies.sockets.chunks(BATCH) {
        let batch: Vec<_> = batch.iter().map(|(_, socket)| socket.as_fd()).collect();
        send(&stream, &batch).await?;
    }
    // The other ends are the new node's alone: when it ends, this one notices.
    drop(copies.sockets);
    let ready = tokio::time::timeout(START, until_ready(&mut stream, cache));
    ready.await.context("it did not become ready in time")??;
    for (after, packets) in copies.packets {
        after.give(packets);
    }
    // It takes requests already; whether it hears this makes no difference.
    let _ = stream.write_all(LEAVE).await;
    Ok(())
}

/// Does what the new node asks for until it is ready.
async fn until_ready(stream: &mut UnixStream, cache: &Arc<Cache>) -> anyhow::Result<()> {
    loop {
        let mut said = [0; READY.len()];
        stream.read_exact(&mut said).await.context("it ended")?;
        match &said {
            READY => return Ok(()),
            DISK => {
                let cache = Arc::clone(cache);
                // Goes on when it is not waited for any longer.
                let freed = tokio::task::spawn_blocking(move || cache.let_go_of_disk());
                let in_time = tokio::time::timeout(DISK_PATIENCE, freed).await;
                let answer = if in_time.is_ok() { FREED } else { LATER };
                stream.write_all(answer).await.context("it ended")?;
            }
            _ => bail!("it is not a node"),
        }
    }
}

async fn send(stream: &UnixStream, sockets: &[BorrowedFd<'_>]) -> io::Result<()> {
    let sent = stream.async_io(Interest::WRITABLE, || {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !ancillary.push(SendAncillaryMessage::ScmRights(sockets)) {
            return Err(io::Error::other("too many sockets at once"));
        }
        let byte = [IoSlice::new(b".")];
        Ok(rustix::net::sendmsg(
            stream,
            &byte,
            &mut ancillary,
            SendFlags::NOSIGNAL,
        )?)
    });
    sent.await.map(drop)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    use super::*;
    use crate::cache::{CacheConfig, DiskConfig};
    use crate::takeover::receive;

    const CACHE: CacheConfig = CacheConfig {
        slice_bytes: 0,
        max_bytes: 1 << 20,
        max_object_bytes: 1 << 10,
        max_variants: 1,
        collapse_timeout: PATIENCE,
        status_key: false,
    };

    fn disk(folder: &tempfile::TempDir) -> DiskConfig {
        let mut config = DiskConfig::new(folder.path().join("cache"), 1 << 20);
        config.patience = Duration::ZERO;
        config
    }

    struct Old {
        path: PathBuf,
        bound: TcpListener,
        taken: CancellationToken,
        stop: CancellationToken,
        task: tokio::task::JoinHandle<()>,
        folder: tempfile::TempDir,
    }

    fn old() -> Old {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("takeover.sock");
        let sockets = Offer::default();
        let bound = TcpListener::bind("127.0.0.1:0").unwrap();
        // More than one batch.
        for _ in 0..BATCH {
            sockets.add("http", &bound).unwrap();
        }
        sockets.add("admin", &bound).unwrap();
        let (taken, stop) = (CancellationToken::new(), CancellationToken::new());
        let listener = listen(&path).unwrap();
        let cache = Cache::on_disk(CACHE, disk(&folder), 1 << 10).unwrap();
        let kept = stop.child_token();
        tokio::spawn(crate::cache::keep_disk(Arc::clone(&cache), kept));
        let offering = offer(listener, sockets, cache, taken.clone(), stop.clone());
        Old {
            path,
            bound,
            taken,
            stop,
            task: tokio::spawn(offering),
            folder,
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn all_sockets_come_over_and_the_old_node_leaves_when_the_new_one_is_ready() {
        let old = old();
        let mode = std::fs::metadata(&old.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let (path, at) = (old.path.clone(), old.bound.local_addr().unwrap());
        let took = tokio::task::spawn_blocking(move || {
            let (mut sockets, predecessor) = receive(&path).unwrap();
            let http = sockets.take("http", at).unwrap();
            assert_eq!(
                (http.len(), sockets.take("admin", at).unwrap().len()),
                (BATCH, 1)
            );
            assert_eq!(http[BATCH - 1].local_addr().unwrap(), at);
            predecessor
        });
        let predecessor = took.await.unwrap();
        assert!(!old.taken.is_cancelled());
        tokio::task::spawn_blocking(|| predecessor.ready().unwrap())
            .await
            .unwrap();
        old.task.await.unwrap();
        assert!(old.taken.is_cancelled());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_fails_or_speaks_otherwise_changes_nothing() {
        use std::io::{Read as _, Write as _};
        let old = old();
        let path = old.path.clone();
        tokio::task::spawn_blocking(move || {
            // Ends before it is ready.
            drop(receive(&path).unwrap());
            // Another version: is told which one is spoken here.
            let mut other = std::os::unix::net::UnixStream::connect(&path).unwrap();
            other.write_all(HELLO).unwrap();
            other.write_all(&99u32.to_be_bytes()).unwrap();
            let mut answer = Vec::new();
            other.read_to_end(&mut answer).unwrap();
            let head: Head = serde_json::from_slice(&answer[4..]).unwrap();
            assert_eq!((head.version, head.sockets.len()), (VERSION, 0));
            // Not a node at all.
            let mut noise = std::os::unix::net::UnixStream::connect(&path).unwrap();
            noise
                .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
                .unwrap();
            assert!(matches!(noise.read(&mut [0]), Ok(0) | Err(_)));
            drop(receive(&path).unwrap());
        })
        .await
        .unwrap();
        assert!(!old.taken.is_cancelled());
        old.stop.cancel();
        old.task.await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_cache_folder_is_let_go_of_and_taken_back_when_nobody_takes_over() {
        let old = old();
        let (path, config) = (old.path.clone(), disk(&old.folder));
        let is_free = {
            let config = config.clone();
            move || zephyr_store::Disk::open(config.clone()).is_ok()
        };
        assert!(!is_free());
        let asking = tokio::task::spawn_blocking(move || {
            let (_sockets, mut predecessor) = receive(&path).unwrap();
            assert!(predecessor.free_disk());
            predecessor
        });
        let predecessor = asking.await.unwrap();
        assert!(is_free());
        // Ends before it is ready.
        drop(predecessor);
        while is_free() {
            tokio::task::yield_now().await;
        }
        assert!(!old.taken.is_cancelled());
        old.stop.cancel();
        old.task.await.unwrap();
    }
}

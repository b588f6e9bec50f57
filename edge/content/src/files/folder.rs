//! Opening below a folder, and nowhere else: the kernel resolves the name and refuses whatever leads
//! out, symbolic links included (`openat2` with `RESOLVE_BENEATH`). Where the kernel has no `openat2`,
//! names are opened segment by segment and no link is followed.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::fs::{CWD, Mode, OFlags, openat};
#[cfg(target_os = "linux")]
use rustix::fs::{ResolveFlags, openat2};
use rustix::io::Errno;

use super::open::OpenFile;

/// For so long the folder's own path is not looked up again. Whoever replaces a folder by another, or
/// points a link at one, waits for this.
const ROOT_HOLDS: Duration = Duration::from_secs(1);
/// Tries while somebody renames what lies on the way.
const TRIES: u32 = 16;

/// Whether to wait for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    Yes,
    No,
}

/// Why there is no file.
#[derive(Debug)]
pub(super) enum Trouble {
    /// There is none, or none that may be read.
    Absent,
    /// The kernel would have to ask the disk.
    WouldWait,
    /// The system failed.
    Failed(io::Error),
}

impl From<Errno> for Trouble {
    fn from(error: Errno) -> Self {
        match error {
            Errno::NOENT
            | Errno::NOTDIR
            | Errno::LOOP
            | Errno::XDEV
            | Errno::NAMETOOLONG
            | Errno::ACCESS
            | Errno::PERM
            | Errno::NXIO
            | Errno::NODEV
            | Errno::INVAL
            | Errno::ILSEQ => Self::Absent,
            Errno::AGAIN => Self::WouldWait,
            error => Self::Failed(error.into()),
        }
    }
}

/// A folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    root: Mutex<Option<(Instant, Arc<OwnedFd>)>>,
    /// The kernel has no `openat2`, or a sandbox forbids it.
    stepwise: AtomicBool,
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            root: Mutex::new(None),
            stepwise: AtomicBool::new(cfg!(not(target_os = "linux"))),
        }
    }

    /// Opens a name below, whatever is there. Devices and pipes are opened without waiting for their
    /// other end; who asks has to look what it got.
    pub(super) fn open(&self, name: &[u8], wait: Wait) -> Result<OpenFile, Trouble> {
        let root = self.root(wait)?;
        let name = if name.is_empty() { b"." } else { name };
        let fd = if self.stepwise.load(Relaxed) {
            stepwise(&root, name, wait)?
        } else {
            match beneath(&root, name, wait) {
                Err(Errno::NOSYS) => {
                    self.stepwise.store(true, Relaxed);
                    stepwise(&root, name, wait)?
                }
                fd => fd?,
            }
        };
        OpenFile::new(fd).map_err(Trouble::Failed)
    }

    fn root(&self, wait: Wait) -> Result<Arc<OwnedFd>, Trouble> {
        let now = Instant::now();
        match &*self.root.lock() {
            Some((at, fd)) if now.duration_since(*at) < ROOT_HOLDS => return Ok(Arc::clone(fd)),
            _ if wait == Wait::No => return Err(Trouble::WouldWait),
            _ => {}
        }
        // Without the lock: a worker that only looks must not wait for a disk.
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let opened = openat(CWD, &self.path, flags, Mode::empty());
        // That the folder is missing is the site's fault, not the client's.
        let fd = Arc::new(opened.map_err(|error| Trouble::Failed(error.into()))?);
        *self.root.lock() = Some((now, Arc::clone(&fd)));
        Ok(fd)
    }
}

fn flags() -> OFlags {
    OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY
}

#[cfg(target_os = "linux")]
fn beneath(root: &OwnedFd, name: &[u8], wait: Wait) -> Result<OwnedFd, Errno> {
    let mut resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    if wait == Wait::No {
        resolve |= ResolveFlags::CACHED;
    }
    let mut tries = 0;
    loop {
        match openat2(root, name, flags(), Mode::empty(), resolve) {
            Err(Errno::AGAIN) if wait == Wait::Yes && tries < TRIES => tries += 1,
            // Before Linux 5.12 there is no `RESOLVE_CACHED`.
            Err(Errno::INVAL) if wait == Wait::No => return Err(Errno::AGAIN),
            fd => return fd,
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn beneath(_: &OwnedFd, _: &[u8], _: Wait) -> Result<OwnedFd, Errno> {
    Err(Errno::NOSYS)
}

fn stepwise(root: &OwnedFd, name: &[u8], wait: Wait) -> Result<OwnedFd, Errno> {
    if wait == Wait::No {
        return Err(Errno::AGAIN);
    }
    let mut at: Option<OwnedFd> = None;
    let mut segments = name.split(|byte| *byte == b'/').peekable();
    loop {
        let Some(segment) = segments.next() else {
            return at.ok_or(Errno::NOENT);
        };
        if segment == b".." {
            return Err(Errno::NOENT);
        }
        let mut flags = flags() | OFlags::NOFOLLOW;
        if segments.peek().is_some() {
            flags |= OFlags::DIRECTORY;
        }
        let here = at.as_ref().unwrap_or(root);
        at = Some(openat(here, segment, flags, Mode::empty())?);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_lead_nowhere_out_of_the_folder() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("in");
        std::fs::create_dir_all(inner.join("sub")).unwrap();
        std::fs::write(outer.path().join("secret"), "s").unwrap();
        std::fs::write(inner.join("sub/file"), "f").unwrap();
        symlink("../secret", inner.join("up")).unwrap();
        symlink(outer.path().join("secret"), inner.join("absolute")).unwrap();
        symlink("../..", inner.join("sub/parent")).unwrap();
        symlink("sub/file", inner.join("inside")).unwrap();
        for stepwise in [false, true] {
            let folder = Folder::new(inner.clone());
            folder.stepwise.store(stepwise, Relaxed);
            let open = |name: &[u8]| folder.open(name, Wait::Yes);
            for name in [
                "up",
                "absolute",
                "sub/parent/secret",
                "../secret",
                "sub/parent",
            ] {
                let opened = open(name.as_bytes());
                assert!(
                    matches!(opened, Err(Trouble::Absent)),
                    "{stepwise} {name} {opened:?}"
                );
            }
            assert!(open(b"sub/file").unwrap().stat().is_file());
            assert_eq!(open(b"inside").is_ok(), !stepwise);
            assert!(matches!(open(b"none"), Err(Trouble::Absent)));
            assert!(open(b"sub").unwrap().stat().is_folder());
        }
    }

    #[test]
    fn a_missing_folder_is_a_failure() {
        let folder = Folder::new("/nonexistent/zephyr".into());
        assert!(matches!(
            folder.open(b"a", Wait::Yes),
            Err(Trouble::Failed(_))
        ));
    }

    #[test]
    fn a_pipe_does_not_hold_up_its_reader() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let status = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(status.unwrap().success());
        let opened = Folder::new(folder.path().into()).open(b"pipe", Wait::Yes);
        assert!(!opened.unwrap().stat().is_file());
    }
}

//! One file of the disk tier.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::format::{Head, Kind};

/// A segment's file. Its name can go while readers still have it: the bytes stay until they are done.
#[derive(Debug)]
pub(crate) struct DataFile {
    path: PathBuf,
    file: File,
    retired: AtomicBool,
    /// The lowest id of an object in it.
    pub(crate) first_id: AtomicU64,
    /// The lowest tick at which the fetch of an object in it began.
    pub(crate) oldest: AtomicU64,
}

impl DataFile {
    /// A new, empty file.
    pub(crate) fn create(folder: &Path, number: u64) -> io::Result<Self> {
        let path = folder.join(name(number));
        let mut options = File::options();
        let file = options
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)?;
        Ok(Self::new(path, file))
    }

    /// A file that is there.
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(&path)?;
        Ok(Self::new(path, file))
    }

    fn new(path: PathBuf, file: File) -> Self {
        Self {
            path,
            file,
            retired: AtomicBool::new(false),
            first_id: AtomicU64::new(u64::MAX),
            oldest: AtomicU64::new(u64::MAX),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    pub(crate) fn cut(&self, size: u64) -> io::Result<()> {
        self.file.set_len(size)
    }

    pub(crate) fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, at)
    }

    pub(crate) fn read(&self, at: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.read_into(at, &mut bytes)?;
        Ok(bytes)
    }

    pub(crate) fn read_into(&self, at: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(bytes, at)
    }

    /// Reads what the kernel has in memory, without waiting for a disk; false when it has not all of
    /// it, or the file system cannot say.
    #[cfg(target_os = "linux")]
    pub(crate) fn read_now(&self, at: u64, bytes: &mut [u8]) -> bool {
        use rustix::io::{IoSliceMut, ReadWriteFlags, preadv2};
        let length = bytes.len();
        let slices = &mut [IoSliceMut::new(bytes)];
        preadv2(&self.file, slices, at, ReadWriteFlags::NOWAIT) == Ok(length)
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn read_now(&self, _: u64, _: &mut [u8]) -> bool {
        false
    }

    /// Notes what stands in a record of it.
    pub(crate) fn note(&self, head: &Head) {
        if head.kind == Kind::Object {
            self.first_id.fetch_min(head.id, Ordering::Relaxed);
        }
        if matches!(head.kind, Kind::Object | Kind::Meta) {
            self.oldest.fetch_min(head.began, Ordering::Relaxed);
        }
    }

    /// Removes its name: nothing is found in it any more.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        if let Err(error) = std::fs::remove_file(&self.path) {
            let path = self.path.display();
            tracing::error!(%error, "the cache's file {path} cannot be removed: {error}");
        }
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }
}

fn name(number: u64) -> String {
    format!("segment-{number:016x}.zseg")
}

/// The number of a file of this name; none when it is not a segment's.
pub(crate) fn number(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let number = name.strip_prefix("segment-")?.strip_suffix(".zseg")?;
    u64::from_str_radix(number, 16).ok()
}

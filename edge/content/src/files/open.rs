//! An open file: what it is, and its bytes, with or without waiting for the disk.

use std::io::{self, IoSliceMut};
use std::os::fd::OwnedFd;

use rustix::fs::{FileType, fstat};
use rustix::io::{Errno, ReadWriteFlags, pread, preadv2};

/// What tells a version of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    kind: FileType,
    pub(super) len: u64,
    pub(super) device: u64,
    pub(super) inode: u64,
    /// Seconds and nanoseconds since the Unix epoch.
    pub(super) modified: (i64, i64),
    /// When the inode was changed: nobody can set this back.
    pub(super) changed: (i64, i64),
}

impl Stat {
    fn of(fd: &OwnedFd) -> io::Result<Self> {
        let stat = fstat(fd)?;
        Ok(Self {
            kind: FileType::from_raw_mode(stat.st_mode),
            len: u64::try_from(stat.st_size).unwrap_or(0),
            device: stat.st_dev,
            inode: stat.st_ino,
            modified: (stat.st_mtime, nanos(stat.st_mtime_nsec)),
            changed: (stat.st_ctime, nanos(stat.st_ctime_nsec)),
        })
    }

    pub(super) fn is_file(&self) -> bool {
        self.kind == FileType::RegularFile
    }

    pub(super) fn is_folder(&self) -> bool {
        self.kind == FileType::Directory
    }

    pub(super) fn is_as_new_as(&self, other: &Self) -> bool {
        self.modified >= other.modified
    }
}

fn nanos<T>(value: T) -> i64
where
    i64: TryFrom<T>,
{
    i64::try_from(value).unwrap_or(0)
}

/// An open file, or a folder.
#[derive(Debug)]
pub(super) struct OpenFile {
    fd: OwnedFd,
    stat: Stat,
}

impl OpenFile {
    pub(super) fn new(fd: OwnedFd) -> io::Result<Self> {
        let stat = Stat::of(&fd)?;
        Ok(Self { fd, stat })
    }

    pub(super) fn stat(&self) -> &Stat {
        &self.stat
    }

    /// Reads what the kernel has in memory; `WouldBlock` when it has nothing of it.
    pub(super) fn read_now(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut slices = [IoSliceMut::new(buffer)];
        match preadv2(&self.fd, &mut slices, at, ReadWriteFlags::NOWAIT) {
            // Some file systems cannot tell; some have it nowhere in memory.
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INTR) => {
                Err(io::ErrorKind::WouldBlock.into())
            }
            read => Ok(read?),
        }
    }

    /// Reads until the buffer is full or the file ends, and waits for the disk.
    pub(super) fn read_full(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match pread(&self.fd, &mut buffer[filled..], at + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(filled)
    }

    /// Fails when the file is no longer what it was when it was opened: what was read may be of two
    /// versions.
    pub(super) fn check_unchanged(&self) -> io::Result<()> {
        let now = Stat::of(&self.fd)?;
        if (now.len, now.modified) == (self.stat.len, self.stat.modified) {
            return Ok(());
        }
        Err(io::Error::other("the file was changed while it was read"))
    }
}

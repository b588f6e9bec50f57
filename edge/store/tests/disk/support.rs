//! Folders, and objects whose bytes are known from their number.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use zephyr_store::{Disk, DiskConfig, Filler, NewObject, Purges};

/// The key of all objects of tests that do not care.
pub(crate) const KEY: &[u8] = b"http://example/";

/// A folder of its own.
pub(crate) struct Folder {
    folder: tempfile::TempDir,
    change: fn(&mut DiskConfig),
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: fn(&mut DiskConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, change }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn config(&self) -> DiskConfig {
        config(self.path(), self.change)
    }

    pub(crate) fn open(&self) -> (Disk, Purges) {
        Disk::open(self.config()).unwrap()
    }

    pub(crate) fn new_object(&self, number: u64) -> NewObject<'static> {
        new_object(number)
    }

    pub(crate) fn put(&self, disk: &Disk, number: u64, length: usize) -> bool {
        disk.put(new_object(number), Bytes::from(body(number, length)))
    }

    /// The segments.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path()).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .filter(|path| path.extension().is_some_and(|ext| ext == "zseg"))
            .collect()
    }

    /// What they take.
    pub(crate) fn bytes(&self) -> u64 {
        self.files()
            .iter()
            .map(|path| fs::metadata(path).unwrap().len())
            .sum()
    }
}

pub(crate) fn config(path: &Path, change: fn(&mut DiskConfig)) -> DiskConfig {
    let mut config = DiskConfig::new(path.to_owned(), 64 << 20);
    config.segment_bytes = 1 << 20;
    config.readers = 2;
    change(&mut config);
    config
}

pub(crate) fn key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

pub(crate) fn new_object(number: u64) -> NewObject<'static> {
    NewObject {
        hash: number,
        variant: 0,
        began: 1,
        key: KEY,
        meta: b"meta",
    }
}

/// Bytes that are like no other number's.
pub(crate) fn body(number: u64, length: usize) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// What is stored under a number.
pub(crate) async fn get(disk: &Disk, number: u64) -> Option<Vec<u8>> {
    let found = disk.load(number).await.pop()?;
    assert_eq!((&found.key[..], &found.meta[..]), (KEY, &b"meta"[..]));
    let read = disk.read(&found.object, 0..u64::MAX)?;
    Some(read.all().await.ok()?.to_vec())
}

/// An object on its way to disk.
pub(crate) fn fill(disk: &Disk, number: u64) -> Option<Filler> {
    let filler = Filler::in_memory();
    let taken = disk.take_over(&filler, new_object(number), None);
    taken.then_some(filler)
}

//! Objects: what is stored, and what is found.

use std::sync::Weak;

use bytes::Bytes;

use super::file::DataFile;
use super::index::Place;

/// What to store.
#[derive(Clone, Copy, Debug)]
pub struct NewObject<'a> {
    /// Of the key, under the store's [`crate::hash::Keyed`].
    pub hash: u64,
    /// Which of several objects of the key it is: it takes the place of the one with the same.
    pub variant: u64,
    /// The tick of purges at which its fetch began.
    pub began: u64,
    /// At most 64 KiB.
    pub key: &'a [u8],
    /// At most 256 KiB.
    pub meta: &'a [u8],
}

/// An object that was found.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Its key: a hash alone is not proof.
    pub key: Bytes,
    /// As it was stored.
    pub meta: Bytes,
    /// The tick at which its fetch began, or that of its last update.
    pub began: u64,
    /// Which of several objects of the key it is.
    pub variant: u64,
    /// Its body.
    pub object: Object,
}

/// The body of an object. Cheap to keep: it holds no room on disk, and is gone when the object is.
#[derive(Clone, Debug)]
pub struct Object {
    pub(super) file: Weak<DataFile>,
    pub(super) at: u64,
    pub(super) salt: u64,
    pub(super) length: u64,
    pub(super) hash: u64,
    /// The id that it had first: it may be written again under another.
    pub(super) name: u64,
}

impl Object {
    pub(super) fn of(place: &Place, name: u64) -> Self {
        let head = &place.head;
        Self {
            file: std::sync::Arc::downgrade(&place.file),
            at: place.at + head.body_at(),
            salt: head.salt,
            length: head.body,
            hash: head.hash,
            name,
        }
    }

    /// In bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether it can still be read.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.file.upgrade().is_some_and(|file| !file.is_retired())
    }
}

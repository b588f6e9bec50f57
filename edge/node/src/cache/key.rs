//! Keys with their hashes. A hit needs no key of its own: it is looked up by the bytes in a buffer
//! that the thread's next request uses again.

use std::cell::Cell;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::sync::Arc;

use crate::exchange::Exchange;

/// A buffer that grew larger than this is not kept.
const MAX_KEPT: usize = 16 * 1024;

thread_local! {
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The key of the request at hand, in the thread's buffer.
#[derive(Debug)]
pub(super) struct Probe {
    hash: u64,
    text: Vec<u8>,
}

impl Probe {
    pub(super) fn of(x: &Exchange, hasher: &RandomState) -> Self {
        let mut text = BUFFER.take();
        text.clear();
        let uri = &x.request.uri;
        let (path, query) = (uri.path(), uri.query());
        zephyr_cache::key::append(&mut text, x.scheme, &x.authority, path, query, &x.cache);
        Self {
            hash: hasher.hash_one(text.as_slice()),
            text,
        }
    }

    pub(super) fn as_ref(&self) -> KeyRef<'_> {
        KeyRef {
            hash: self.hash,
            text: &self.text,
        }
    }

    /// A key that can be kept.
    pub(super) fn to_key(&self) -> Key {
        Key {
            hash: self.hash,
            text: self.text.as_slice().into(),
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if self.text.capacity() <= MAX_KEPT {
            BUFFER.set(std::mem::take(&mut self.text));
        }
    }
}

/// A key, with its hash.
#[derive(Clone, Debug)]
pub(super) struct Key {
    hash: u64,
    text: Arc<[u8]>,
}

impl Key {
    /// A key of this text.
    pub(super) fn new(text: &[u8], hasher: &RandomState) -> Self {
        Self {
            hash: hasher.hash_one(text),
            text: text.into(),
        }
    }

    pub(super) fn as_ref(&self) -> KeyRef<'_> {
        KeyRef {
            hash: self.hash,
            text: &self.text,
        }
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Bytes it takes.
    pub(super) fn size(&self) -> usize {
        self.text.len() + 16
    }
}

/// A borrowed key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyRef<'a> {
    pub(super) hash: u64,
    text: &'a [u8],
}

/// For maps whose keys are hashes already.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// For maps whose keys are hashes already.
pub(super) type BuildHashed = BuildHasherDefault<Hashed>;

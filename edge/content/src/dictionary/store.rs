//! The dictionaries a node holds, by origin and hash, bounded in bytes. When there are too many, the
//! one goes that was used longest ago; an answer that would have had it gets an ordinary coding.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

/// SHA-256 of a dictionary.
pub type Hash = [u8; 32];

/// At most so many dictionaries, however small.
const MAX_ENTRIES: usize = 1024;

/// A dictionary.
#[derive(Clone)]
pub struct Dictionary {
    hash: Hash,
    bytes: Bytes,
}

impl fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dictionary({} bytes)", self.bytes.len())
    }
}

impl Dictionary {
    /// A dictionary of these bytes.
    #[must_use]
    pub fn new(bytes: Bytes) -> Self {
        let hash = Sha256::digest(&bytes).into();
        Self { hash, bytes }
    }

    pub(super) fn with_hash(bytes: Bytes, hash: Hash) -> Self {
        Self { hash, bytes }
    }

    /// Its hash.
    #[must_use]
    pub fn hash(&self) -> &Hash {
        &self.hash
    }

    /// The field by which a client says that it has this one.
    #[must_use]
    pub fn available(&self) -> Option<http::HeaderValue> {
        super::field::to_available(&self.hash)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The dictionaries of a node.
#[derive(Debug)]
pub struct Dictionaries {
    max_one: u64,
    max_all: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    entries: HashMap<(Box<str>, Hash), Entry>,
    bytes: usize,
    turn: u64,
}

#[derive(Debug)]
struct Entry {
    dictionary: Arc<Dictionary>,
    /// Which answer it was: target and entity tag.
    version: Option<Box<str>>,
    used: u64,
}

impl Dictionaries {
    /// Bounds in bytes, of one and of all.
    #[must_use]
    pub fn new(max_one: u64, max_all: u64) -> Self {
        Self {
            max_one: max_one.min(max_all),
            max_all: usize::try_from(max_all).unwrap_or(usize::MAX),
            kept: Mutex::default(),
        }
    }

    /// The largest body that is a dictionary, or is compressed with one.
    #[must_use]
    pub fn max_one(&self) -> u64 {
        self.max_one
    }

    /// The dictionary of an origin (`https://example.com`) with this hash.
    #[must_use]
    pub fn get(&self, origin: &str, hash: &Hash) -> Option<Arc<Dictionary>> {
        let mut kept = self.kept.lock();
        kept.turn += 1;
        let turn = kept.turn;
        let entry = kept.entries.get_mut(&(origin.into(), *hash))?;
        entry.used = turn;
        Some(Arc::clone(&entry.dictionary))
    }

    /// Whether this version of an answer is here, so that it need not be read again.
    #[must_use]
    pub fn knows(&self, origin: &str, version: &str) -> bool {
        let kept = self.kept.lock();
        let mut entries = kept.entries.iter();
        entries.any(|((of, _), entry)| &**of == origin && entry.version.as_deref() == Some(version))
    }

    /// Keeps a dictionary.
    pub fn keep(&self, origin: &str, version: Option<&str>, dictionary: Dictionary) {
        let size = dictionary.bytes.len();
        if size == 0 || size as u64 > self.max_one {
            return;
        }
        let mut kept = self.kept.lock();
        kept.turn += 1;
        let entry = Entry {
            version: version.map(Into::into),
            used: kept.turn,
            dictionary: Arc::new(dictionary),
        };
        let key = (Box::from(origin), *entry.dictionary.hash());
        kept.bytes += size;
        if kept.entries.insert(key, entry).is_some() {
            kept.bytes -= size;
        }
        while kept.bytes > self.max_all || kept.entries.len() > MAX_ENTRIES {
            let oldest = kept.entries.iter().min_by_key(|(_, entry)| entry.used);
            let Some((key, _)) = oldest.map(|(key, entry)| (key.clone(), entry.used)) else {
                return;
            };
            if let Some(entry) = kept.entries.remove(&key) {
                kept.bytes -= entry.dictionary.bytes.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let store = Dictionaries::new(6, 10);
        let dictionary = |text: &'static str| Dictionary::new(Bytes::from_static(text.as_bytes()));
        let [a, b, c] = ["aaaa", "bbbb", "cccc"].map(dictionary);
        store.keep("o", Some("/a 1"), a.clone());
        store.keep("o", None, b.clone());
        store.keep("o", None, b.clone());
        assert!(store.knows("o", "/a 1") && !store.knows("o", "/a 2") && !store.knows("p", "/a 1"));
        assert!(store.get("o", a.hash()).is_some());
        store.keep("o", None, c.clone());
        assert!(store.get("o", b.hash()).is_none());
        assert!(store.get("o", a.hash()).is_some() && store.get("o", c.hash()).is_some());
        assert!(store.get("other", a.hash()).is_none(), "same origin only");
        store.keep("o", None, dictionary("too large"));
        assert_eq!(store.kept.lock().bytes, 8);
    }
}

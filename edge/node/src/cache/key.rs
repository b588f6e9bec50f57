//! Cache keys: what must be equal for two requests to share an answer (RFC 9111, section 2).

use std::hash::BuildHasher;
use std::sync::Arc;

use crate::exchange::Exchange;

/// A key, with its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    hash: u64,
    text: Arc<[u8]>,
}

impl Key {
    /// The key of a request: scheme, authority, path, query, and what filters added. The method is
    /// left out: only GET is stored, and HEAD is answered from it.
    pub(super) fn of(x: &Exchange, hasher: &std::hash::RandomState) -> Self {
        // Built on the stack where it fits; one allocation for the text itself.
        let mut text = Vec::with_capacity(256);
        text.extend_from_slice(x.scheme.as_bytes());
        text.push(0);
        text.extend_from_slice(x.authority.as_bytes());
        text.push(0);
        text.extend_from_slice(x.request.uri.path().as_bytes());
        let query = match &x.cache.key_query {
            Some(query) => query.as_deref(),
            None => x.request.uri.query(),
        };
        if let Some(query) = query {
            text.push(b'?');
            text.extend_from_slice(query.as_bytes());
        }
        for part in &x.cache.key_parts {
            // A length in front: two parts can never read like one.
            text.push(0);
            text.extend_from_slice(&(part.len() as u64).to_le_bytes());
            text.extend_from_slice(part.as_bytes());
        }
        Self {
            hash: hasher.hash_one(text.as_slice()),
            text: text.into(),
        }
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    /// Bytes it takes.
    pub(super) fn size(&self) -> usize {
        self.text.len() + 16
    }
}

impl std::hash::Hash for Key {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Passes the hash through that a key brings.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hashed(u64);

impl std::hash::Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("keys write their hash")
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// For maps of keys.
pub(super) type BuildHashed = std::hash::BuildHasherDefault<Hashed>;

//! Hashes that mean the same after a restart.
//!
//! What is written to disk is found again by the hash of its key, and purged by the hashes of its
//! names, so a hash must not change with the process. It must not be guessed either: whoever can
//! choose keys that collide makes the store slow. So each store has a seed of its own, which is kept
//! beside its data.

use std::hash::{DefaultHasher, Hasher};

/// Hashes under one seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keyed {
    seed: [u64; 2],
}

impl Keyed {
    /// Hashes under this seed.
    #[must_use]
    pub fn new(seed: [u64; 2]) -> Self {
        Self { seed }
    }

    /// Hashes under a seed that nobody else has.
    #[must_use]
    pub fn random() -> Self {
        use std::hash::{BuildHasher as _, RandomState};
        let one = RandomState::new().hash_one(0_u64);
        let other = RandomState::new().hash_one(1_u64);
        Self::new([one, other])
    }

    /// The seed, which is to be kept as well as the data.
    #[must_use]
    pub fn seed(&self) -> [u64; 2] {
        self.seed
    }

    /// The hash of what these parts say one after the other; where one ends and the next begins
    /// counts.
    #[must_use]
    pub fn hash(&self, parts: &[&[u8]]) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.seed[0]);
        hasher.write_u64(self.seed[1]);
        for part in parts {
            hasher.write_u64(part.len() as u64);
            hasher.write(part);
        }
        hasher.finish()
    }

    /// A value that another algorithm would not give: the standard library does not promise that its
    /// own stays the same, so a store checks that it did.
    pub(crate) fn check(&self) -> u64 {
        self.hash(&[b"zephyr", b"store"])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_depends_on_seed_and_parts_alone() {
        let hashes = Keyed::new([1, 2]);
        assert_eq!(
            hashes.hash(&[b"ab", b"c"]),
            Keyed::new([1, 2]).hash(&[b"ab", b"c"])
        );
        assert_ne!(hashes.hash(&[b"ab", b"c"]), hashes.hash(&[b"a", b"bc"]));
        assert_ne!(hashes.check(), Keyed::new([2, 1]).check());
        assert_ne!(Keyed::random(), Keyed::random());
    }
}

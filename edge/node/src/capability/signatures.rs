//! Checks of signatures for filters, and the memory of those that were right.
//!
//! A token comes with every request of a session, and checking an Ed25519 or ECDSA signature takes
//! some 50 to 100 µs; comparing it with one that was checked takes less than one. Only what was
//! right is remembered, and only an exact match counts, so no forged signature can be taken for a
//! right one, and wrong ones cannot push right ones out.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hash as _, Hasher as _};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};
use aws_lc_rs::{constant_time, hmac};
use parking_lot::Mutex;
use zephyr_edge_core::capability::{Algorithm, KeyError};

/// Signatures with the same hash of their tuple share a set of this many.
const WAYS: usize = 4;
/// Locks, so that threads seldom wait for each other.
const SHARDS: usize = 16;
/// Messages above this are verified each time.
const MAX_REMEMBERED: usize = 8 << 10;

/// The shortest secret for HS256 (RFC 7518, section 3.2).
const MIN_SECRET: usize = 32;

/// Verifies signatures, and remembers up to a bound which were right.
#[derive(Debug)]
pub struct SignatureVerifier {
    hasher: RandomState,
    shards: Box<[Mutex<Shard>]>,
    sets_per_shard: usize,
}

/// Sets of remembered tuples, the latest first in each.
type Shard = Vec<[Option<Tuple>; WAYS]>;

/// What was verified.
#[derive(Debug)]
struct Tuple {
    algorithm: Algorithm,
    /// Key, signature and message in one.
    bytes: Box<[u8]>,
    /// Where the signature and the message begin.
    ends: (usize, usize),
}

impl Tuple {
    fn new(algorithm: Algorithm, key: &[u8], message: &[u8], signature: &[u8]) -> Self {
        let bytes = [key, signature, message].concat().into_boxed_slice();
        Self {
            algorithm,
            bytes,
            ends: (key.len(), key.len() + signature.len()),
        }
    }

    fn is(&self, algorithm: Algorithm, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        let (key_end, signature_end) = self.ends;
        // In constant time: an HS256 secret and signature must not be guessed byte by byte.
        self.algorithm == algorithm
            && constant_time::verify_slices_are_equal(&self.bytes[..key_end], key).is_ok()
            && constant_time::verify_slices_are_equal(
                &self.bytes[key_end..signature_end],
                signature,
            )
            .is_ok()
            && self.bytes[signature_end..] == *message
    }
}

impl SignatureVerifier {
    /// A verifier that remembers about `capacity` signatures; 0 remembers none.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let sets_per_shard = capacity.div_ceil(SHARDS * WAYS);
        // Sets are made when the first signature is remembered, so an unused verifier is small.
        let shards = (0..SHARDS).map(|_| Mutex::new(Vec::new())).collect();
        Self {
            hasher: RandomState::new(),
            shards,
            sets_per_shard,
        }
    }

    /// Whether the signature is that of the message under the key. A malformed signature is `false`.
    ///
    /// # Errors
    ///
    /// [`KeyError`] when the key is not of the algorithm's form.
    pub fn verify(
        &self,
        algorithm: Algorithm,
        key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, KeyError> {
        check_key(algorithm, key)?;
        let remembers = self.sets_per_shard > 0 && message.len() <= MAX_REMEMBERED;
        if !remembers {
            return Ok(check(algorithm, key, message, signature));
        }
        let hash = self.hash(algorithm, key, message, signature);
        let shard = &self.shards[hash % SHARDS];
        let set = hash / SHARDS % self.sets_per_shard;
        {
            let mut sets = shard.lock();
            if let Some(set) = sets.get_mut(set)
                && let Some(way) = set.iter().position(|tuple| {
                    tuple
                        .as_ref()
                        .is_some_and(|t| t.is(algorithm, key, message, signature))
                })
            {
                set[..=way].rotate_right(1);
                return Ok(true);
            }
        }
        // Without the lock: this is the part that takes time.
        if !check(algorithm, key, message, signature) {
            return Ok(false);
        }
        let tuple = Tuple::new(algorithm, key, message, signature);
        let mut sets = shard.lock();
        if sets.is_empty() {
            sets.resize_with(self.sets_per_shard, Default::default);
        }
        let set = &mut sets[set];
        set.rotate_right(1);
        set[0] = Some(tuple);
        Ok(true)
    }

    #[expect(clippy::cast_possible_truncation, reason = "any bits of a hash do")]
    fn hash(&self, algorithm: Algorithm, key: &[u8], message: &[u8], signature: &[u8]) -> usize {
        let mut hasher = self.hasher.build_hasher();
        algorithm.hash(&mut hasher);
        key.hash(&mut hasher);
        // A signature of a right tuple is as good as random, and the message is compared anyway.
        signature.hash(&mut hasher);
        message.len().hash(&mut hasher);
        hasher.finish() as usize
    }
}

fn check_key(algorithm: Algorithm, key: &[u8]) -> Result<(), KeyError> {
    let refuse = |why: String| Err(KeyError(why));
    match algorithm {
        Algorithm::EdDsa if key.len() != 32 => {
            refuse(format!("an Ed25519 key has 32 bytes, not {}", key.len()))
        }
        Algorithm::Es256 if key.len() != 65 || key[0] != 4 => {
            refuse("a P-256 key is an uncompressed point: 65 bytes, the first is 4".to_owned())
        }
        Algorithm::Hs256 if key.len() < MIN_SECRET => refuse(format!(
            "an HS256 secret has at least {MIN_SECRET} bytes (RFC 7518, section 3.2), not {}",
            key.len()
        )),
        _ => Ok(()),
    }
}

fn check(algorithm: Algorithm, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    match algorithm {
        Algorithm::EdDsa => UnparsedPublicKey::new(&ED25519, key)
            .verify(message, signature)
            .is_ok(),
        Algorithm::Es256 => {
            let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key);
            key.verify(message, signature).is_ok()
        }
        Algorithm::Hs256 => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, key);
            hmac::verify(&key, message, signature).is_ok()
        }
    }
}

#[cfg(test)]
mod tests;

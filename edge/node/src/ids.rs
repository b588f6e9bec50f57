//! Request ids: UUIDv7 (RFC 9562, section 5.7), without a system call for each.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

/// Makes ids, one generator a thread. Ids need to be unique, not secret: the random part comes from
/// a fast generator (`SplitMix64`) that is seeded from the system's.
#[derive(Debug)]
pub(crate) struct Ids {
    state: u64,
    stream: u64,
}

impl Ids {
    pub(crate) fn new() -> Self {
        let (state, stream) = Uuid::new_v4().as_u64_pair();
        Self { state, stream }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state ^ self.stream;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A new id.
    pub(crate) fn make(&mut self) -> Arc<str> {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let millis = u64::try_from(since.as_millis()).unwrap_or_default();
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.next().to_le_bytes());
        random[8..].copy_from_slice(&self.next().to_le_bytes()[..2]);
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
        Arc::from(&*id.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
    }
}

/// Whether an id that a trusted proxy sent may be used: 1 to 128 characters that need no care in
/// logs and headers.
pub(crate) fn is_acceptable(id: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
    (1..=128).contains(&id.len()) && id.iter().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids_of_version_7_and_differ() {
        let mut ids = Ids::new();
        let made: std::collections::HashSet<_> = (0..10_000).map(|_| ids.make()).collect();
        assert_eq!(made.len(), 10_000);
        for id in made.iter().take(10) {
            assert_eq!(Uuid::parse_str(id).unwrap().get_version_num(), 7, "{id}");
        }
    }

    #[test]
    fn ids_from_outside_are_plain() {
        assert!(is_acceptable(b"0190-abc_DEF.1"));
        for bad in [&b""[..], b"a b", b"a\"b", b"\xff", &[b'a'; 129]] {
            assert!(!is_acceptable(bad));
        }
    }
}

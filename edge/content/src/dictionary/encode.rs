//! `dcz`: Zstandard with a dictionary (RFC 9842, section 5).

use std::io::{self, Write as _};

use zstd::stream::raw::{CParameter, Encoder as Raw};
use zstd::stream::write::Encoder;

use super::store::Dictionary;

/// Bytes of the header: a skippable frame of Zstandard with the dictionary's hash in it.
pub const HEADER: usize = 40;
const MAGIC: [u8; 8] = [0x5e, 0x2a, 0x4d, 0x18, 0x20, 0, 0, 0];
/// Clients take windows of 8 MiB, whatever the dictionary's size (section 5).
const MAX_WINDOW: u32 = 23;

/// Compresses a body with a dictionary. Takes milliseconds and more: not for a worker's thread.
///
/// # Errors
///
/// The encoder failed.
pub fn dcz(level: i32, dictionary: &Dictionary, body: &[u8]) -> io::Result<Vec<u8>> {
    let mut coded = Vec::with_capacity(HEADER + body.len() / 8);
    coded.extend_from_slice(&MAGIC);
    coded.extend_from_slice(dictionary.hash());
    // As a prefix it is raw bytes, even when it looks like a dictionary in Zstandard's own format.
    let mut raw = Raw::with_ref_prefix(level, dictionary.bytes())?;
    let reach = dictionary.bytes().len() + body.len();
    let window = reach.next_power_of_two().ilog2().clamp(10, MAX_WINDOW);
    raw.set_parameter(CParameter::WindowLog(window))?;
    // Versions differ in few places: most of one is in the other, however far apart.
    raw.set_parameter(CParameter::EnableLongDistanceMatching(true))?;
    raw.set_pledged_src_size(Some(body.len() as u64))?;
    let mut encoder = Encoder::with_encoder(coded, raw);
    encoder.write_all(body)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha256};

    use super::*;

    fn decoded(dictionary: &[u8], coded: &[u8]) -> Vec<u8> {
        assert_eq!(&coded[..8], MAGIC);
        assert_eq!(coded[8..HEADER], Sha256::digest(dictionary)[..]);
        let mut plain = Vec::new();
        let mut reader = zstd::stream::read::Decoder::with_ref_prefix(
            io::BufReader::new(&coded[HEADER..]),
            dictionary,
        )
        .unwrap();
        io::Read::read_to_end(&mut reader, &mut plain).unwrap();
        plain
    }

    #[test]
    fn a_new_version_costs_its_differences() {
        let old: String = (0..20_000)
            .map(|n| format!("function f{n}() {{ return {n} }}\n"))
            .collect();
        let new = old.replacen("return 777 ", "return 778 ", 1);
        let dictionary = Dictionary::new(Bytes::from(old.clone()));
        let coded = dcz(3, &dictionary, new.as_bytes()).unwrap();
        assert!(coded.len() < 400, "{}", coded.len());
        assert_eq!(decoded(old.as_bytes(), &coded), new.as_bytes());
    }

    #[test]
    fn bytes_that_look_like_a_dictionary_of_zstandard_are_only_bytes() {
        let mut old = vec![0x37, 0xa4, 0x30, 0xec];
        old.extend_from_slice(&b"some text that repeats, some text that repeats".repeat(20));
        let dictionary = Dictionary::new(Bytes::from(old.clone()));
        let coded = dcz(3, &dictionary, &old[4..]).unwrap();
        assert_eq!(decoded(&old, &coded), &old[4..]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn what_goes_in_comes_out(
            old in prop::collection::vec(0_u8..4, 0..4000),
            new in prop::collection::vec(0_u8..4, 0..4000),
        ) {
            let dictionary = Dictionary::new(Bytes::from(old.clone()));
            let coded = dcz(3, &dictionary, &new).unwrap();
            prop_assert_eq!(decoded(&old, &coded), new);
        }
    }
}

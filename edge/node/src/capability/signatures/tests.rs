//! Known answers: RFC 8032, section 7.1, test 2; RFC 7515, appendices A.1 and A.3.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::*;

struct Vector {
    algorithm: Algorithm,
    key: Vec<u8>,
    message: Vec<u8>,
    signature: Vec<u8>,
}

fn base64(text: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
        .collect()
}

fn vectors() -> Vec<Vector> {
    let claims = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19\
                  yb290Ijp0cnVlfQ";
    let point = [
        vec![4],
        base64("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"),
        base64("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"),
    ];
    vec![
        Vector {
            algorithm: Algorithm::EdDsa,
            key: hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"),
            message: hex("72"),
            signature: hex(
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                 085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ),
        },
        Vector {
            algorithm: Algorithm::Es256,
            key: point.concat(),
            message: format!("eyJhbGciOiJFUzI1NiJ9.{claims}").into_bytes(),
            signature: base64(
                "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU\
                 1Q",
            ),
        },
        Vector {
            algorithm: Algorithm::Hs256,
            key: base64(
                "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CA\
                 ow",
            ),
            message: format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{claims}").into_bytes(),
            signature: base64("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
        },
    ]
}

impl Vector {
    fn verify(&self, verifier: &SignatureVerifier) -> bool {
        let Self {
            algorithm,
            key,
            message,
            signature,
        } = self;
        verifier
            .verify(*algorithm, key, message, signature)
            .unwrap()
    }
}

fn remembered(verifier: &SignatureVerifier) -> usize {
    let count = |shard: &Mutex<Shard>| shard.lock().iter().flatten().flatten().count();
    verifier.shards.iter().map(count).sum()
}

#[test]
fn known_answers_are_right_the_first_time_and_again() {
    for capacity in [0, 100] {
        let verifier = SignatureVerifier::new(capacity);
        for vector in vectors() {
            for round in 0..3 {
                assert!(
                    vector.verify(&verifier),
                    "{:?}, round {round}",
                    vector.algorithm
                );
            }
        }
        assert_eq!(remembered(&verifier), if capacity == 0 { 0 } else { 3 });
    }
}

#[test]
fn a_change_of_any_bit_is_wrong_though_the_right_one_is_remembered() {
    let verifier = SignatureVerifier::new(100);
    for vector in vectors() {
        assert!(vector.verify(&verifier));
        for index in 0..vector.signature.len() {
            let mut signature = vector.signature.clone();
            signature[index] ^= 1;
            let Vector {
                algorithm,
                key,
                message,
                ..
            } = &vector;
            assert_eq!(
                verifier.verify(*algorithm, key, message, &signature),
                Ok(false),
                "{index}"
            );
        }
        let mut message = vector.message.clone();
        message[0] ^= 1;
        let Vector {
            algorithm,
            key,
            signature,
            ..
        } = &vector;
        assert_eq!(
            verifier.verify(*algorithm, key, &message, signature),
            Ok(false)
        );
    }
    assert_eq!(remembered(&verifier), 3, "wrong ones are not remembered");
}

#[test]
fn what_was_right_for_one_algorithm_or_key_is_not_for_another() {
    let verifier = SignatureVerifier::new(100);
    let vectors = vectors();
    let hmac = &vectors[2];
    assert!(hmac.verify(&verifier));
    let mut other = hmac.key.clone();
    other[0] ^= 1;
    let Vector {
        algorithm,
        message,
        signature,
        ..
    } = hmac;
    assert_eq!(
        verifier.verify(*algorithm, &other, message, signature),
        Ok(false)
    );
    // A key that fits two algorithms: 32 bytes are an Ed25519 key and an HS256 secret.
    let ed = &vectors[0];
    assert!(ed.verify(&verifier));
    assert_eq!(
        verifier.verify(Algorithm::Hs256, &ed.key, &ed.message, &ed.signature),
        Ok(false)
    );
}

#[test]
fn malformed_signatures_are_wrong_and_malformed_keys_are_errors() {
    let verifier = SignatureVerifier::new(100);
    for vector in vectors() {
        let Vector {
            algorithm,
            key,
            message,
            signature,
        } = &vector;
        for malformed in [
            &[][..],
            &signature[1..],
            &[signature.as_slice(), &[0]].concat(),
        ] {
            assert_eq!(
                verifier.verify(*algorithm, key, message, malformed),
                Ok(false)
            );
        }
    }
    for (algorithm, length) in [
        (Algorithm::EdDsa, 31),
        (Algorithm::EdDsa, 33),
        (Algorithm::Es256, 65),
        (Algorithm::Hs256, 31),
    ] {
        assert!(
            verifier
                .verify(algorithm, &vec![0; length], b"", b"")
                .is_err(),
            "{algorithm:?}"
        );
    }
    // The right length and form, but not a point on the curve.
    let off_curve = [vec![4], vec![1; 64]].concat();
    assert_eq!(
        verifier.verify(Algorithm::Es256, &off_curve, b"", &[1; 64]),
        Ok(false)
    );
}

#[test]
fn the_memory_is_bounded() {
    let verifier = SignatureVerifier::new(SHARDS * WAYS);
    let key = [7; 32];
    let sign = |message: &[u8]| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        hmac::sign(&key, message).as_ref().to_vec()
    };
    for index in 0..1000_u32 {
        let message = index.to_be_bytes();
        let signature = sign(&message);
        assert_eq!(
            verifier.verify(Algorithm::Hs256, &key, &message, &signature),
            Ok(true)
        );
    }
    assert!(remembered(&verifier) <= SHARDS * WAYS);
    let long = vec![0; MAX_REMEMBERED + 1];
    let before = remembered(&verifier);
    assert_eq!(
        verifier.verify(Algorithm::Hs256, &key, &long, &sign(&long)),
        Ok(true)
    );
    assert_eq!(
        remembered(&verifier),
        before,
        "a long message is verified each time"
    );
}

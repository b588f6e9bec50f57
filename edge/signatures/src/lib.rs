//! Checks of signatures in Rust, for hosts that bring none: EdDSA (RFC 8032), ES256 and HS256
//! (RFC 7518, section 3).

use hmac::{Hmac, Mac as _};
use p256::ecdsa::signature::Verifier as _;
use sha2::Sha256;
use zephyr_edge_core::capability::{Algorithm, KeyError};

/// Whether the signature is that of the message under the key. A malformed signature is `false`.
///
/// # Errors
///
/// The key is not of the algorithm's form.
pub fn verify(
    algorithm: Algorithm,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<bool, KeyError> {
    match algorithm {
        Algorithm::EdDsa => eddsa(key, message, signature),
        Algorithm::Es256 => es256(key, message, signature),
        Algorithm::Hs256 => hs256(key, message, signature),
    }
}

fn eddsa(key: &[u8], message: &[u8], signature: &[u8]) -> Result<bool, KeyError> {
    let key: [u8; 32] = key
        .try_into()
        .map_err(|_| KeyError("an EdDSA key has 32 bytes".to_owned()))?;
    let key = ed25519_dalek::VerifyingKey::from_bytes(&key)
        .map_err(|_| KeyError("not a point of Ed25519".to_owned()))?;
    let Ok(signature) = ed25519_dalek::Signature::from_slice(signature) else {
        return Ok(false);
    };
    // Strict: no small-order keys, no malleable signatures (RFC 8032, section 5.1.7).
    Ok(key.verify_strict(message, &signature).is_ok())
}

fn es256(key: &[u8], message: &[u8], signature: &[u8]) -> Result<bool, KeyError> {
    if key.len() != 65 || key[0] != 4 {
        return Err(KeyError("an ES256 key is an uncompressed point".to_owned()));
    }
    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(key)
        .map_err(|_| KeyError("not a point of P-256".to_owned()))?;
    let Ok(signature) = p256::ecdsa::Signature::from_slice(signature) else {
        return Ok(false);
    };
    Ok(key.verify(message, &signature).is_ok())
}

fn hs256(key: &[u8], message: &[u8], signature: &[u8]) -> Result<bool, KeyError> {
    if key.len() < 32 {
        return Err(KeyError("an HS256 key has at least 32 bytes".to_owned()));
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(key)
        .map_err(|_| KeyError("an HS256 key has at least 32 bytes".to_owned()))?;
    mac.update(message);
    // Compares in constant time.
    Ok(mac.verify_slice(signature).is_ok())
}

//! Refresh tokens: 256 random bits, of which the database knows only the SHA-256.

use aws_lc_rs::rand::fill;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use zephyr_origin_core::ApiError;

/// Its prefix, so that a leaked one is recognised for what it is.
const PREFIX: &str = "zrt_";

/// A new token, and its hash.
pub(crate) fn make() -> Result<(String, [u8; 32]), ApiError> {
    let mut bits = [0; 32];
    fill(&mut bits).map_err(|_| ApiError::internal("the system has no random numbers"))?;
    Ok((
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bits)),
        Sha256::digest(bits).into(),
    ))
}

/// The hash of a token that a client sent; none when it has not a token's form.
pub(crate) fn hash(token: &str) -> Option<[u8; 32]> {
    let encoded = token
        .strip_prefix(PREFIX)
        .filter(|encoded| encoded.len() == 43)?;
    let bits = URL_SAFE_NO_PAD.decode(encoded).ok()?;
    Some(Sha256::digest(bits).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_by_its_hash() {
        let (token, stored) = make().unwrap();
        assert_eq!(hash(&token), Some(stored));
        assert_ne!(make().unwrap().0, token);
        for bad in ["", "zrt_", "zrt_!!", &token[4..], &format!("{token}A")] {
            assert_eq!(hash(bad), None, "{bad}");
        }
    }
}

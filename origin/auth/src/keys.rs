//! The keys that sign access tokens: a PEM file with one or more Ed25519 keys (PKCS#8, RFC 8410).
//!
//! The first signs, all verify. To rotate, put a new key in front, and take the old one away once
//! its last token has expired, ten minutes later.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The tag of a private key in PEM (RFC 7468, section 10).
const TAG: &str = "PRIVATE KEY";

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error("signing key file {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file holds something else.
    #[error("signing key file {path}: {reason}", path = path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// Keys, the signing one first.
pub struct SigningKeys(Vec<SigningKey>);

/// One key.
pub(crate) struct SigningKey {
    /// RFC 7638 thumbprint.
    pub(crate) kid: String,
    /// The public key, base64url.
    pub(crate) x: String,
    /// PKCS#8.
    pub(crate) der: Vec<u8>,
}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|key| &key.kid))
            .finish()
    }
}

impl SigningKeys {
    /// Reads the file; makes it, with one new key and for its owner alone, when there is none.
    ///
    /// # Errors
    ///
    /// The file cannot be read or made, or holds something else.
    pub fn load_or_make(path: &Path) -> Result<Self, KeyError> {
        let io = |source| KeyError::Io {
            path: path.to_owned(),
            source,
        };
        match fs::read(path) {
            Ok(bytes) => Self::parse(&bytes).map_err(|reason| KeyError::Invalid {
                path: path.to_owned(),
                reason,
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let invalid = |reason| KeyError::Invalid {
                    path: path.to_owned(),
                    reason,
                };
                let der = generate().map_err(invalid)?;
                let text = pem::encode(&pem::Pem::new(TAG, der));
                match publish(path, text.as_bytes()) {
                    Ok(()) => Self::parse(text.as_bytes()).map_err(invalid),
                    // Another origin on the same folder was faster.
                    Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                        Self::parse(&fs::read(path).map_err(io)?).map_err(invalid)
                    }
                    Err(error) => Err(io(error)),
                }
            }
            Err(error) => Err(io(error)),
        }
    }

    /// One new key, kept nowhere.
    ///
    /// # Errors
    ///
    /// The system has no random numbers.
    pub fn ephemeral() -> Result<Self, String> {
        Ok(Self(vec![SigningKey::from_der(generate()?)?]))
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let blocks = pem::parse_many(bytes).map_err(|error| format!("is not PEM: {error}"))?;
        let keys = blocks.into_iter().enumerate().map(|(index, block)| {
            let at = |reason: String| format!("block {}: {reason}", index + 1);
            if block.tag() != TAG {
                return Err(at(format!("is a {}, not a {TAG}", block.tag())));
            }
            SigningKey::from_der(block.into_contents()).map_err(at)
        });
        let keys: Vec<SigningKey> = keys.collect::<Result<_, _>>()?;
        if keys.is_empty() {
            Err("holds no key".to_owned())
        } else {
            Ok(Self(keys))
        }
    }

    pub(crate) fn signing(&self) -> &SigningKey {
        &self.0[0]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &SigningKey> {
        self.0.iter()
    }

    /// The public keys as a JWK Set (RFC 7517, RFC 8037).
    #[must_use]
    pub fn jwks(&self) -> Value {
        let keys: Vec<Value> = self
            .iter()
            .map(|key| {
                json!({
                    "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA",
                    "kid": key.kid, "x": key.x,
                })
            })
            .collect();
        json!({ "keys": keys })
    }
}

impl SigningKey {
    fn from_der(der: Vec<u8>) -> Result<Self, String> {
        let pair = Ed25519KeyPair::from_pkcs8(&der)
            .map_err(|error| format!("is not an Ed25519 key: {error}"))?;
        let x = URL_SAFE_NO_PAD.encode(pair.public_key());
        // Members in lexical order, no white space (RFC 7638, section 3).
        let thumbprint = Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
        Ok(Self {
            kid: URL_SAFE_NO_PAD.encode(thumbprint),
            x,
            der,
        })
    }
}

/// Makes the file, whole or not at all: nobody reads half a key, and no crash leaves one.
fn publish(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let draft = PathBuf::from(name);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = options
        .open(&draft)
        .and_then(|mut file| file.write_all(text).and(file.sync_all()))
        // Unlike a rename, a link does not replace the file of whoever was faster.
        .and_then(|()| fs::hard_link(&draft, path));
    let _ = fs::remove_file(&draft);
    written
}

fn generate() -> Result<Vec<u8>, String> {
    let failed = |_| "the system has no random numbers".to_owned();
    let pair = Ed25519KeyPair::generate().map_err(failed)?;
    Ok(pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use zephyr_origin_core::TokenVerifier as _;

    use super::*;
    use crate::Tokenizer;

    #[test]
    fn a_file_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        let made = SigningKeys::load_or_make(&path).unwrap().jwks();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(SigningKeys::load_or_make(&path).unwrap().jwks(), made);
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 1, "the draft is gone");
    }

    #[test]
    fn origins_that_start_at_once_share_a_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        fs::write(&path, "theirs").unwrap();
        let late = publish(&path, b"ours").unwrap_err();
        assert_eq!(late.kind(), std::io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
    }

    #[test]
    fn an_old_key_verifies_until_it_is_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        SigningKeys::load_or_make(&path).unwrap();
        let old = fs::read_to_string(&path).unwrap();
        let new = pem::encode(&pem::Pem::new(TAG, generate().unwrap()));
        let load = |text: String| {
            fs::write(&path, text).unwrap();
            Tokenizer::new(&SigningKeys::load_or_make(&path).unwrap()).unwrap()
        };
        let token = load(old.clone()).issue(uuid::Uuid::nil(), "").unwrap();
        let both = load(format!("{new}{old}"));
        assert!(both.verify(&token).is_ok());
        let token_of_new = both.issue(uuid::Uuid::nil(), "").unwrap();
        let after = load(new);
        assert!(after.verify(&token_of_new).is_ok(), "the first key signs");
        assert!(after.verify(&token).is_err());
    }

    #[test]
    fn the_thumbprint_is_that_of_rfc_8037() {
        // Appendix A.1 to A.3 of RFC 8037.
        let seed = URL_SAFE_NO_PAD
            .decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
            .unwrap();
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
        let key = SigningKey::from_der(pair.to_pkcs8v1().unwrap().as_ref().to_vec()).unwrap();
        assert_eq!(key.x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(key.kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn other_files_are_refused_with_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        for (text, expected) in [
            ("", "holds no key"),
            ("garbage", "holds no key"),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "block 1: is a CERTIFICATE",
            ),
            (
                "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                "block 1: is not an Ed25519",
            ),
        ] {
            fs::write(&path, text).unwrap();
            let error = SigningKeys::load_or_make(&path).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}

//! Keys that sign, a host that verifies, and a way to put requests through the policy.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair, UnparsedPublicKey,
};
use aws_lc_rs::{constant_time, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use zephyr_component_auth::Auth;
use zephyr_edge_core::capability::{Algorithm, KeyError};
use zephyr_edge_core::testing::{TestExchange, TestHost, run};
use zephyr_edge_core::{Filter, Phases, Reply, Verdict};

/// The moment at which a [`TestHost`] begins.
pub(crate) const NOW: i64 = 1_767_225_600;

pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) enum Signer {
    EdDsa(Ed25519KeyPair),
    Es256(EcdsaKeyPair),
    Hs256(Vec<u8>),
}

impl Signer {
    pub(crate) fn ed25519(seed: u8) -> Self {
        Self::EdDsa(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }

    pub(crate) fn p256() -> Self {
        Self::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub(crate) fn secret(byte: u8) -> Self {
        Self::Hs256(vec![byte; 32])
    }

    pub(crate) fn alg(&self) -> &'static str {
        match self {
            Self::EdDsa(_) => "EdDSA",
            Self::Es256(_) => "ES256",
            Self::Hs256(_) => "HS256",
        }
    }

    pub(crate) fn public(&self) -> Vec<u8> {
        match self {
            Self::EdDsa(pair) => pair.public_key().as_ref().to_vec(),
            Self::Es256(pair) => pair.public_key().as_ref().to_vec(),
            Self::Hs256(secret) => secret.clone(),
        }
    }

    pub(crate) fn jwk(&self, kid: &str) -> Value {
        let public = self.public();
        match self {
            Self::EdDsa(_) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "use": "sig", "x": b64(public) })
            }
            Self::Es256(_) => json!({
                "kty": "EC", "crv": "P-256", "kid": kid, "alg": "ES256",
                "x": b64(&public[1..33]), "y": b64(&public[33..]),
            }),
            Self::Hs256(_) => json!({ "kty": "oct", "kid": kid, "k": b64(public) }),
        }
    }

    /// Signs any two texts as header and payload.
    pub(crate) fn sign_raw(&self, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", b64(header), b64(payload));
        let signature = match self {
            Self::EdDsa(pair) => pair.sign(signed.as_bytes()).as_ref().to_vec(),
            Self::Es256(pair) => pair
                .sign(&SystemRandom::new(), signed.as_bytes())
                .unwrap()
                .as_ref()
                .to_vec(),
            Self::Hs256(secret) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
                hmac::sign(&key, signed.as_bytes()).as_ref().to_vec()
            }
        };
        format!("{signed}.{}", b64(signature))
    }

    pub(crate) fn sign(&self, kid: &str, claims: &Value) -> String {
        let header = json!({ "alg": self.alg(), "kid": kid, "typ": "JWT" });
        self.sign_raw(&header.to_string(), &claims.to_string())
    }
}

/// Claims of a good token.
pub(crate) fn claims() -> Value {
    json!({
        "iss": "zephyr", "aud": "zephyr", "sub": "user-1", "scope": "listings:write other",
        "iat": NOW, "exp": NOW + 600, "jti": "1", "more": { "nested": [1, 2] },
    })
}

/// Good claims but for these.
pub(crate) fn claims_with(changes: &Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

pub(crate) fn jwks(keys: &[Value]) -> Value {
    json!({ "keys": keys })
}

/// A host that verifies with aws-lc-rs, as a node does.
pub(crate) fn host() -> TestHost {
    TestHost::new().with_verifier(|algorithm, key, message, signature| {
        let length = |expected| match key.len() == expected {
            true => Ok(()),
            false => Err(KeyError(format!("{} bytes", key.len()))),
        };
        Ok(match algorithm {
            Algorithm::EdDsa => {
                length(32)?;
                UnparsedPublicKey::new(&ED25519, key)
                    .verify(message, signature)
                    .is_ok()
            }
            Algorithm::Es256 => {
                length(65)?;
                let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key);
                key.verify(message, signature).is_ok()
            }
            Algorithm::Hs256 => {
                let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
                constant_time::verify_slices_are_equal(tag.as_ref(), signature).is_ok()
            }
        })
    })
}

/// A policy with these keys of the configuration on top of issuer and audience.
pub(crate) fn auth(config: &Value) -> Auth {
    try_auth(config).unwrap_or_else(|error| panic!("{config}: {error}"))
}

pub(crate) fn try_auth(config: &Value) -> Result<Auth, String> {
    let mut all = json!({ "issuer": "zephyr", "audience": "zephyr" });
    for (name, value) in config.as_object().unwrap() {
        all[name] = value.clone();
    }
    let (auth, phases) = Auth::configure(&all.to_string()).map_err(|error| error.to_string())?;
    assert_eq!(phases, Phases::REQUEST);
    Ok(auth)
}

/// A GET with this token.
pub(crate) fn with_token(token: &str) -> TestExchange {
    TestExchange::get("/").with_header("authorization", &format!("Bearer {token}"))
}

/// Puts a request through: the refusal, or none.
pub(crate) fn ask(auth: &Auth, host: &TestHost, x: &mut TestExchange) -> Option<Reply> {
    match run(auth.on_request(x, host)) {
        Verdict::Next => None,
        Verdict::Reply(reply) => Some(reply),
    }
}

/// What becomes of a token: `Ok` with the subject, or the status and the challenge.
pub(crate) fn outcome(auth: &Auth, host: &TestHost, token: &str) -> Result<String, (u16, String)> {
    let mut x = with_token(token);
    match ask(auth, host, &mut x) {
        None => Ok(x
            .forwarded("x-zephyr-subject")
            .unwrap_or_default()
            .to_owned()),
        Some(reply) => {
            assert_eq!(x.forwarded("x-zephyr-subject"), None);
            let challenge = reply
                .header("www-authenticate")
                .unwrap_or_default()
                .to_owned();
            Err((reply.status, challenge))
        }
    }
}

/// Asserts that a token is refused as `invalid_token`, for a reason that holds these words.
#[track_caller]
pub(crate) fn assert_invalid(auth: &Auth, host: &TestHost, token: &str, words: &str) {
    let (status, challenge) = outcome(auth, host, token).expect_err(words);
    assert_eq!(status, 401, "{challenge}");
    assert!(
        challenge.starts_with("Bearer realm=\"zephyr\", error=\"invalid_token\""),
        "{challenge}"
    );
    assert!(
        challenge.contains(words),
        "{words:?} is not in {challenge:?}"
    );
}

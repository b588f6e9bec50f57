//! Keys, and tokens signed with them.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// Keys of all kinds.
pub(crate) struct Keys {
    ed25519: Ed25519KeyPair,
    p256: EcdsaKeyPair,
    secret: [u8; 32],
    /// Not among the site's.
    other: Ed25519KeyPair,
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

impl Keys {
    pub(crate) fn new() -> Self {
        Self {
            ed25519: Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap(),
            p256: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            secret: [9; 32],
            other: Ed25519KeyPair::from_seed_unchecked(&[8; 32]).unwrap(),
        }
    }

    /// The site's keys, as an inline table of TOML.
    pub(crate) fn jwks(&self) -> String {
        let point = self.p256.public_key().as_ref();
        format!(
            r#"{{ keys = [
{{ kty = "OKP", crv = "Ed25519", kid = "ed", use = "sig", x = "{}" }},
{{ kty = "EC", crv = "P-256", kid = "ec", x = "{}", y = "{}" }},
{{ kty = "oct", kid = "hs", k = "{}" }},
] }}"#,
            b64(self.ed25519.public_key()),
            b64(&point[1..33]),
            b64(&point[33..]),
            b64(self.secret)
        )
        .replace('\n', " ")
    }

    fn claims(changes: Value) -> Value {
        let mut claims = json!({
            "iss": "zephyr", "aud": "zephyr", "sub": "anna", "scope": "listings:write",
            "iat": now(), "exp": now() + 600,
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    }

    fn signed(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
        let text = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        format!("Bearer {text}.{}", b64(sign(text.as_bytes())))
    }

    /// A token with these claims changed.
    pub(crate) fn with(&self, changes: Value) -> String {
        let header = json!({ "alg": "EdDSA", "kid": "ed", "typ": "JWT" });
        Self::signed(&header, &Self::claims(changes), |text| {
            self.ed25519.sign(text).as_ref().to_vec()
        })
    }

    pub(crate) fn good(&self) -> String {
        self.with(json!({}))
    }

    pub(crate) fn expired(&self) -> String {
        self.with(json!({ "exp": now() - 3600 }))
    }

    pub(crate) fn not_yet(&self) -> String {
        self.with(json!({ "nbf": now() + 3600 }))
    }

    pub(crate) fn es256(&self) -> String {
        let header = json!({ "alg": "ES256", "kid": "ec" });
        Self::signed(&header, &Self::claims(json!({})), |text| {
            self.p256
                .sign(&SystemRandom::new(), text)
                .unwrap()
                .as_ref()
                .to_vec()
        })
    }

    pub(crate) fn hs256(&self) -> String {
        let header = json!({ "alg": "HS256", "kid": "hs" });
        Self::signed(&header, &Self::claims(json!({})), |text| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &self.secret);
            hmac::sign(&key, text).as_ref().to_vec()
        })
    }

    /// Signed with a key that is not the site's.
    pub(crate) fn foreign(&self) -> String {
        let header = json!({ "alg": "EdDSA", "kid": "ed" });
        Self::signed(&header, &Self::claims(json!({})), |text| {
            self.other.sign(text).as_ref().to_vec()
        })
    }

    pub(crate) fn unknown_key(&self) -> String {
        let header = json!({ "alg": "EdDSA", "kid": "nobody" });
        Self::signed(&header, &Self::claims(json!({})), |text| {
            self.ed25519.sign(text).as_ref().to_vec()
        })
    }

    /// Says that nobody signed it.
    pub(crate) fn unsigned(&self) -> String {
        Self::signed(&json!({ "alg": "none" }), &Self::claims(json!({})), |_| {
            Vec::new()
        })
    }

    /// Asks for an extension that nobody knows (RFC 7515, section 4.1.11).
    pub(crate) fn critical(&self) -> String {
        let header = json!({ "alg": "EdDSA", "kid": "ed", "crit": ["x"], "x": 1 });
        Self::signed(&header, &Self::claims(json!({})), |text| {
            self.ed25519.sign(text).as_ref().to_vec()
        })
    }

    /// A good one with a claim changed after it was signed.
    pub(crate) fn forged(&self) -> String {
        let good = self.good();
        let mut parts: Vec<String> = good.split('.').map(str::to_owned).collect();
        parts[1] = b64(Self::claims(json!({ "sub": "root" })).to_string());
        parts.join(".")
    }
}

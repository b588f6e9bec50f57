//! JSON Web Keys (RFC 7517) that can verify a signature here: Ed25519 (RFC 8037), P-256 and, where
//! configured, shared secrets (RFC 7518, section 6).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use zephyr_edge_core::capability::Algorithm;

/// Keys that a set may hold.
pub(crate) const MAX_KEYS: usize = 64;
/// Bytes of a JWK Set.
pub(crate) const MAX_SET_BYTES: usize = 64 * 1024;

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum Alg {
    #[serde(rename = "EdDSA")]
    EdDsa,
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "HS256")]
    Hs256,
}

impl Alg {
    /// By the name in an `alg` member; none for every other one, `none` included. `Ed25519` is the
    /// newer name of what `EdDSA` means here (RFC 9864, section 2.2).
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            "ES256" => Some(Self::Es256),
            "HS256" => Some(Self::Hs256),
            _ => None,
        }
    }

    pub(crate) fn algorithm(self) -> Algorithm {
        match self {
            Self::EdDsa => Algorithm::EdDsa,
            Self::Es256 => Algorithm::Es256,
            Self::Hs256 => Algorithm::Hs256,
        }
    }

    /// Bytes of a signature.
    pub(crate) fn signature_len(self) -> usize {
        match self {
            Self::EdDsa | Self::Es256 => 64,
            Self::Hs256 => 32,
        }
    }
}

/// A key as it is written. Members that are not known here do not matter (RFC 7517, section 4).
#[derive(Deserialize)]
pub(crate) struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    k: Option<String>,
    /// Only read to refuse it.
    d: Option<serde::de::IgnoredAny>,
}

impl std::fmt::Debug for Jwk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // `k` is a secret.
        f.debug_struct("Jwk")
            .field("kty", &self.kty)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// A key that verifies.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) kid: Option<String>,
    pub(crate) alg: Alg,
    /// In the form that the capability `signatures` takes.
    pub(crate) bytes: Vec<u8>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kid, alg, bytes: _ } = self;
        f.debug_struct("Key")
            .field("kid", kid)
            .field("alg", alg)
            .finish_non_exhaustive()
    }
}

impl Key {
    /// The key, or why it cannot verify anything here.
    pub(crate) fn from_jwk(jwk: Jwk) -> Result<Self, &'static str> {
        if jwk.usage.is_some_and(|usage| usage != "sig") {
            return Err("its `use` is not \"sig\"");
        }
        if jwk
            .key_ops
            .is_some_and(|ops| !ops.iter().any(|op| op == "verify"))
        {
            return Err("its `key_ops` do not hold \"verify\"");
        }
        if jwk.d.is_some() {
            return Err("it holds a private key (`d`), which must not be handed out");
        }
        if jwk
            .kid
            .as_ref()
            .is_some_and(|kid| kid.is_empty() || kid.len() > 256)
        {
            return Err("its `kid` is not 1 to 256 bytes long");
        }
        let (alg, bytes) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("OKP", Some("Ed25519")) => (Alg::EdDsa, member(jwk.x, 32)?),
            ("EC", Some("P-256")) => {
                let mut point = vec![4];
                point.extend(member(jwk.x, 32)?);
                point.extend(member(jwk.y, 32)?);
                (Alg::Es256, point)
            }
            ("oct", _) => {
                let secret = jwk.k.and_then(|k| URL_SAFE_NO_PAD.decode(k).ok());
                // RFC 7518, section 3.2: at least as long as the hash.
                let secret = secret.filter(|secret| (32..=1024).contains(&secret.len()));
                (
                    Alg::Hs256,
                    secret.ok_or("its `k` is not 32 to 1024 bytes in base64url")?,
                )
            }
            _ => return Err("its `kty` and `crv` are not Ed25519, P-256 or a shared secret"),
        };
        if jwk.alg.is_some_and(|name| Alg::named(&name) != Some(alg)) {
            return Err("its `alg` is not that of its `kty` and `crv`");
        }
        Ok(Self {
            kid: jwk.kid,
            alg,
            bytes,
        })
    }
}

fn member(text: Option<String>, len: usize) -> Result<Vec<u8>, &'static str> {
    let bytes = text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    bytes
        .filter(|bytes| bytes.len() == len)
        .ok_or("a coordinate is missing or is not 32 bytes in base64url")
}

/// Whether keys can stand in one set: it must be clear which one a token means.
pub(crate) fn check_set(keys: &[Key]) -> Result<(), &'static str> {
    if keys.len() > MAX_KEYS {
        return Err("more than 64 keys");
    }
    for (index, key) in keys.iter().enumerate() {
        let same = |other: &Key| other.kid == key.kid && other.alg == key.alg;
        if key.kid.is_some() && keys[..index].iter().any(same) {
            return Err("two keys of one algorithm share a `kid`");
        }
    }
    Ok(())
}

/// The usable keys of a JWK Set in KV. `Err` says why the whole text is not one.
pub(crate) fn parse_set(text: &[u8], algorithms: &[Alg]) -> Result<Vec<Key>, String> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    if text.len() > MAX_SET_BYTES {
        return Err("it is larger than 64 KiB".to_owned());
    }
    // serde's words could repeat a value, so a secret; the place is enough.
    let place =
        |e: serde_json::Error| format!("not a JWK Set, line {} column {}", e.line(), e.column());
    let set: Set = serde_json::from_slice(text).map_err(place)?;
    let usable = |value| {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        Key::from_jwk(jwk)
            .ok()
            .filter(|key| algorithms.contains(&key.alg))
    };
    let keys: Vec<Key> = set.keys.into_iter().filter_map(usable).collect();
    if keys.is_empty() {
        return Err("it holds no key that can be used here".to_owned());
    }
    check_set(&keys)?;
    Ok(keys)
}

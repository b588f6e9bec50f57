//! The configuration of an `auth` stage.

use std::time::Duration;

use serde::Deserialize;
use zephyr_edge_core::ConfigError;
use zephyr_edge_core::config::{self, OneOrMany};
use zephyr_edge_core::pattern::{Methods, PathPattern, RequestMatch};

use crate::jwk::{self, Alg, Jwk};

/// The keys as they are written. `docs/filters.md` repeats them for operators.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    /// Whose tokens are taken: the exact `iss`, or a list of them. Required.
    issuer: OneOrMany,
    /// Whom a token must be meant for: one of these must be in its `aud`. Required.
    audience: OneOrMany,
    /// The keys, as a JWK Set (RFC 7517, section 5). Exactly one of `jwks` and `jwks_kv`.
    jwks: Option<RawKeySet>,
    /// The KV key under which the JWK Set is found.
    jwks_kv: Option<String>,
    /// How old the set from KV may get before it is read again. Default "10s"; at least "1s".
    #[serde(default = "default_refresh", deserialize_with = "config::duration")]
    jwks_refresh: Duration,
    /// Which of "EdDSA", "ES256", "HS256" are taken. Default: the first two.
    #[serde(default = "default_algorithms")]
    algorithms: Vec<Alg>,
    /// How far clocks may be apart. Default "30s"; at most "5m".
    #[serde(default = "default_leeway", deserialize_with = "config::duration")]
    leeway: Duration,
    /// Longer tokens are refused, in bytes. Default 8192; 64 to 65536.
    #[serde(default = "default_max_token_bytes")]
    max_token_bytes: usize,
    /// Verified tokens remembered per instance. Default 256; 0 remembers none; at most 4096.
    #[serde(default = "default_remember")]
    remember: usize,
    /// The protection space named in challenges. Default "zephyr".
    #[serde(default = "default_realm")]
    realm: String,
    /// Which requests need no token.
    #[serde(default)]
    public: Vec<RawPublic>,
    /// Which scopes a token needs.
    #[serde(default)]
    scopes: Vec<RawScopes>,
}

/// A JWK Set in the configuration. Other members are allowed (RFC 7517, section 5).
#[derive(Debug, Deserialize)]
struct RawKeySet {
    keys: Vec<Jwk>,
}

/// Requests of these methods (default: all) on these paths (default: all).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPublic {
    methods: Option<Methods>,
    paths: Option<Vec<PathPattern>>,
}

/// Requests of these methods on these paths need all of these scopes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawScopes {
    methods: Option<Methods>,
    paths: Option<Vec<PathPattern>>,
    scopes: Vec<String>,
}

fn default_refresh() -> Duration {
    Duration::from_secs(10)
}

fn default_algorithms() -> Vec<Alg> {
    vec![Alg::EdDsa, Alg::Es256]
}

fn default_leeway() -> Duration {
    Duration::from_secs(30)
}

fn default_max_token_bytes() -> usize {
    8192
}

fn default_remember() -> usize {
    256
}

fn default_realm() -> String {
    "zephyr".to_owned()
}

/// A checked configuration.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) issuers: Vec<String>,
    pub(crate) audiences: Vec<String>,
    pub(crate) keys: KeySource,
    pub(crate) algorithms: Vec<Alg>,
    pub(crate) leeway: i64,
    pub(crate) max_token_bytes: usize,
    pub(crate) remember: usize,
    pub(crate) realm: String,
    pub(crate) public: Vec<RequestMatch>,
    pub(crate) scopes: Vec<ScopeRule>,
    /// Whether any rule names paths.
    pub(crate) has_paths: bool,
}

/// Where keys come from.
#[derive(Debug)]
pub(crate) enum KeySource {
    Fixed(Vec<jwk::Key>),
    Kv { key: String, refresh: Duration },
}

/// Which scopes a token needs for which requests.
#[derive(Debug)]
pub(crate) struct ScopeRule {
    pub(crate) on: RequestMatch,
    pub(crate) scopes: Vec<String>,
}

impl Config {
    pub(crate) fn read(json: &str) -> Result<Self, ConfigError> {
        let raw: Raw = config::read(json)?;
        let fail = |why: &str| Err(ConfigError::new(why));
        let issuers = names("issuer", raw.issuer)?;
        let audiences = names("audience", raw.audience)?;
        if raw.algorithms.is_empty() {
            return fail("algorithms: must name at least one");
        }
        let keys = match (raw.jwks, raw.jwks_kv) {
            (Some(set), None) => KeySource::Fixed(fixed_keys(set, &raw.algorithms)?),
            (None, Some(key)) => {
                if key.is_empty() || key.len() > 512 {
                    return fail("jwks_kv: must be 1 to 512 bytes long");
                }
                if raw.jwks_refresh < Duration::from_secs(1) {
                    return fail("jwks_refresh: must be at least \"1s\"");
                }
                KeySource::Kv {
                    key,
                    refresh: raw.jwks_refresh,
                }
            }
            _ => return fail("exactly one of jwks and jwks_kv must be given"),
        };
        if raw.leeway > Duration::from_secs(300) {
            return fail("leeway: must be at most \"5m\"");
        }
        if !(64..=65_536).contains(&raw.max_token_bytes) {
            return fail("max_token_bytes: must be 64 to 65536");
        }
        if raw.remember > 4096 {
            return fail("remember: must be at most 4096");
        }
        let quotable = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        if raw.realm.is_empty() || raw.realm.len() > 128 || !raw.realm.bytes().all(quotable) {
            return fail(
                "realm: must be 1 to 128 printable ASCII characters, no quote or backslash",
            );
        }
        let mut public = Vec::new();
        for rule in raw.public {
            public.push(RequestMatch {
                methods: rule.methods,
                paths: rule.paths,
            });
        }
        let mut scopes = Vec::new();
        for (index, rule) in raw.scopes.into_iter().enumerate() {
            let legal = |scope: &String| !scope.is_empty() && is_scope_list(scope, false);
            if rule.scopes.is_empty() || !rule.scopes.iter().all(legal) {
                let why = "must be scope tokens (RFC 6749, section 3.3), at least one";
                return Err(ConfigError::new(format!("scopes[{index}].scopes: {why}")));
            }
            let on = RequestMatch {
                methods: rule.methods,
                paths: rule.paths,
            };
            scopes.push(ScopeRule {
                on,
                scopes: rule.scopes,
            });
        }
        let ons = || public.iter().chain(scopes.iter().map(|rule| &rule.on));
        if ons().any(|on| on.paths.as_ref().is_some_and(Vec::is_empty)) {
            return fail("paths: must name at least one path, or be left out for all");
        }
        let has_paths = ons().any(|on| on.paths.is_some());
        Ok(Self {
            issuers,
            audiences,
            keys,
            algorithms: raw.algorithms,
            leeway: i64::try_from(raw.leeway.as_secs()).unwrap_or(0),
            max_token_bytes: raw.max_token_bytes,
            remember: raw.remember,
            realm: raw.realm,
            public,
            scopes,
            has_paths,
        })
    }
}

fn names(key: &str, names: OneOrMany) -> Result<Vec<String>, ConfigError> {
    let names = names.into_vec();
    if names.is_empty() || names.iter().any(String::is_empty) {
        return Err(ConfigError::new(format!("{key}: must not be empty")));
    }
    Ok(names)
}

/// In the configuration every key must be usable: it was written for this stage. In KV the ones that
/// are not are passed over, as RFC 7517, section 5 asks.
fn fixed_keys(set: RawKeySet, algorithms: &[Alg]) -> Result<Vec<jwk::Key>, ConfigError> {
    let mut keys = Vec::new();
    for (index, jwk) in set.keys.into_iter().enumerate() {
        let fail = |why: &str| ConfigError::new(format!("jwks.keys[{index}]: {why}"));
        let key = jwk::Key::from_jwk(jwk).map_err(fail)?;
        if !algorithms.contains(&key.alg) {
            return Err(fail("its algorithm is not one of `algorithms`"));
        }
        keys.push(key);
    }
    if keys.is_empty() {
        return Err(ConfigError::new("jwks.keys: must hold at least one key"));
    }
    jwk::check_set(&keys).map_err(|why| ConfigError::new(format!("jwks.keys: {why}")))?;
    Ok(keys)
}

/// Whether a text holds only the characters of scope tokens, and spaces between them if it may
/// (RFC 6749, section 3.3).
pub(crate) fn is_scope_list(text: &str, spaces: bool) -> bool {
    text.bytes().all(|byte| match byte {
        b' ' => spaces,
        b'"' | b'\\' => false,
        byte => byte.is_ascii_graphic(),
    })
}

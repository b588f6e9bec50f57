//! Access tokens: JWTs (RFC 7519, RFC 9068) signed with EdDSA.

use std::collections::HashMap;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;
use zephyr_origin_core::{ApiError, Identity, TokenError, TokenVerifier};

use crate::keys::SigningKeys;

/// Who issues tokens, and for whom.
pub const ISSUER: &str = "zephyr";
/// See [`ISSUER`].
pub const AUDIENCE: &str = "zephyr";
/// Seconds for which a token is valid.
pub const LIFETIME: u32 = 600;
/// Seconds by which clocks may differ.
const LEEWAY: u64 = 30;
/// Longest token looked at, in bytes.
const MAX_TOKEN: usize = 8 * 1024;

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: Uuid,
    scope: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: Uuid,
}

/// Makes and verifies access tokens.
pub struct Tokenizer {
    kid: String,
    signing: EncodingKey,
    verifying: HashMap<String, DecodingKey>,
    validation: Validation,
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

impl Tokenizer {
    /// A tokenizer with these keys.
    ///
    /// # Errors
    ///
    /// A key cannot be used.
    pub fn new(keys: &SigningKeys) -> Result<Self, jsonwebtoken::errors::Error> {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp", "nbf"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY;
        let verifying = keys
            .iter()
            .map(|key| Ok((key.kid.clone(), DecodingKey::from_ed_components(&key.x)?)))
            .collect::<Result<_, jsonwebtoken::errors::Error>>()?;
        let first = keys.signing();
        let signing = EncodingKey::from_ed_der(&first.der);
        Ok(Self {
            kid: first.kid.clone(),
            signing,
            verifying,
            validation,
        })
    }

    /// A token for a user.
    ///
    /// # Errors
    ///
    /// The key cannot sign.
    pub fn issue(&self, user: Uuid, scope: &str) -> Result<String, ApiError> {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: user,
            scope: scope.to_owned(),
            iat: now,
            nbf: now,
            exp: now + i64::from(LIFETIME),
            jti: zephyr_origin_core::new_id(),
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, &claims, &self.signing).map_err(ApiError::internal)
    }
}

impl TokenVerifier for Tokenizer {
    fn verify(&self, token: &str) -> Result<Identity, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::Invalid);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Invalid)?;
        // Extensions that a token declares critical are none that we know (RFC 7515, section 4.1.11).
        if header.crit.is_some() {
            return Err(TokenError::Invalid);
        }
        let kid = header.kid.ok_or(TokenError::Invalid)?;
        let key = self.verifying.get(&kid).ok_or(TokenError::Invalid)?;
        let data =
            jsonwebtoken::decode::<Claims>(token, key, &self.validation).map_err(|error| {
                match error.kind() {
                    ErrorKind::ExpiredSignature => TokenError::Expired,
                    _ => TokenError::Invalid,
                }
            })?;
        let scopes = data
            .claims
            .scope
            .split(' ')
            .filter(|scope| !scope.is_empty());
        Ok(Identity {
            subject: data.claims.sub,
            scopes: scopes.map(str::to_owned).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    use super::*;

    fn signed(keys: &SigningKeys, header: &Value, claims: &Value) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encode(header), encode(claims));
        let pair = aws_lc_rs::signature::Ed25519KeyPair::from_pkcs8(&keys.signing().der).unwrap();
        format!(
            "{message}.{}",
            URL_SAFE_NO_PAD.encode(pair.sign(message.as_bytes()))
        )
    }

    fn claims(change: impl FnOnce(&mut Value)) -> Value {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let mut claims = json!({
            "iss": "zephyr", "aud": "zephyr", "sub": Uuid::nil(), "scope": "a b",
            "iat": now, "nbf": now, "exp": now + 60, "jti": Uuid::nil(),
        });
        change(&mut claims);
        claims
    }

    #[test]
    fn a_token_proves_who_asks() {
        let tokenizer = Tokenizer::new(&SigningKeys::ephemeral().unwrap()).unwrap();
        let user = zephyr_origin_core::new_id();
        let token = tokenizer.issue(user, "listings:write").unwrap();
        let identity = tokenizer.verify(&token).unwrap();
        assert_eq!(identity.subject, user);
        assert!(identity.require("listings:write").is_ok());
        assert!(identity.require("admin").is_err());
    }

    #[test]
    fn forged_and_foreign_tokens_prove_nothing() {
        let keys = SigningKeys::ephemeral().unwrap();
        let tokenizer = Tokenizer::new(&keys).unwrap();
        let kid = keys.signing().kid.clone();
        let good = json!({ "alg": "EdDSA", "kid": kid });
        assert!(
            tokenizer
                .verify(&signed(&keys, &good, &claims(|_| {})))
                .is_ok()
        );

        let now = OffsetDateTime::now_utc().unix_timestamp();
        for (name, claims, error) in [
            (
                "expired",
                claims(|c| c["exp"] = (now - 120).into()),
                TokenError::Expired,
            ),
            (
                "not yet",
                claims(|c| c["nbf"] = (now + 120).into()),
                TokenError::Invalid,
            ),
            (
                "issuer",
                claims(|c| c["iss"] = "else".into()),
                TokenError::Invalid,
            ),
            (
                "audience",
                claims(|c| c["aud"] = "else".into()),
                TokenError::Invalid,
            ),
            (
                "no exp",
                claims(|c| drop(c.as_object_mut().unwrap().remove("exp"))),
                TokenError::Invalid,
            ),
            (
                "subject",
                claims(|c| c["sub"] = "x".into()),
                TokenError::Invalid,
            ),
        ] {
            assert_eq!(
                tokenizer.verify(&signed(&keys, &good, &claims)),
                Err(error),
                "{name}"
            );
        }
        for (name, header) in [
            ("unknown kid", json!({ "alg": "EdDSA", "kid": "x" })),
            ("no kid", json!({ "alg": "EdDSA" })),
            ("none", json!({ "alg": "none", "kid": kid })),
            ("another algorithm", json!({ "alg": "HS256", "kid": kid })),
            (
                "an extension",
                json!({ "alg": "EdDSA", "kid": kid, "crit": ["x"], "x": 1 }),
            ),
        ] {
            let token = signed(&keys, &header, &claims(|_| {}));
            assert_eq!(tokenizer.verify(&token), Err(TokenError::Invalid), "{name}");
        }

        // The public key as an HMAC secret: the classic confusion of algorithms.
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(kid.clone());
        let secret = URL_SAFE_NO_PAD.decode(&keys.signing().x).unwrap();
        let key = EncodingKey::from_secret(&secret);
        let token = jsonwebtoken::encode(&header, &claims(|_| {}), &key).unwrap();
        assert_eq!(tokenizer.verify(&token), Err(TokenError::Invalid));

        let other = Tokenizer::new(&SigningKeys::ephemeral().unwrap()).unwrap();
        let token = other.issue(Uuid::nil(), "").unwrap();
        assert_eq!(tokenizer.verify(&token), Err(TokenError::Invalid));
        let mut token = signed(&keys, &good, &claims(|_| {}));
        token.push_str(&"A".repeat(MAX_TOKEN));
        assert_eq!(tokenizer.verify(&token), Err(TokenError::Invalid));
        for junk in ["", ".", "..", "a.b.c", "a.b", "a.b.c.d"] {
            assert_eq!(tokenizer.verify(junk), Err(TokenError::Invalid), "{junk}");
        }
    }
}

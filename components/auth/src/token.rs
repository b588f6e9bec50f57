//! A JWT in the compact serialisation of a JWS (RFC 7515, section 7.1), taken apart.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{IgnoredAny, MapAccess};

use crate::jwk::Alg;
use crate::strict::{self, Members};

/// A token whose header is understood and whose signature is not checked yet.
#[derive(Debug)]
pub(crate) struct Token<'a> {
    pub(crate) alg: Alg,
    pub(crate) kid: Option<String>,
    /// What is signed: header and payload as they arrived.
    pub(crate) signed: &'a [u8],
    pub(crate) signature: Vec<u8>,
    payload: &'a str,
}

impl<'a> Token<'a> {
    /// Takes a token apart. Its length has been checked.
    pub(crate) fn parse(text: &'a str) -> Result<Self, &'static str> {
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("the token does not have three parts");
        };
        // The engine takes no padding, no line breaks and no stray bits (RFC 7515, section 2).
        let header = URL_SAFE_NO_PAD.decode(header).ok();
        let header: Header = header
            .and_then(|json| strict::object(&json))
            .ok_or("the token's header cannot be read")?;
        if header.crit {
            // RFC 7515, section 4.1.11: what must be understood and is not makes it invalid.
            return Err("the token needs an extension that is not supported");
        }
        if !header.typ.is_none_or(|typ| is_jwt(&typ)) {
            return Err("the token is not of a type for access");
        }
        let alg = header.alg.and_then(|name| Alg::named(&name));
        let alg = alg.ok_or("the token's algorithm is not supported")?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok();
        let signature = signature
            .filter(|bytes| bytes.len() == alg.signature_len())
            .ok_or("the token's signature does not have its form")?;
        let signed = &text.as_bytes()[..text.rfind('.').unwrap_or(0)];
        Ok(Self {
            alg,
            kid: header.kid,
            signed,
            signature,
            payload,
        })
    }

    /// The payload's bytes.
    pub(crate) fn payload(&self) -> Result<Vec<u8>, &'static str> {
        URL_SAFE_NO_PAD
            .decode(self.payload)
            .map_err(|_| "the claims cannot be read")
    }
}

/// RFC 7515, section 4.1.9: media types, compared without regard to case, `application/` may be
/// left out. `at+jwt` is RFC 9068's.
fn is_jwt(typ: &str) -> bool {
    let short = match typ.get(..12) {
        Some(prefix) if prefix.eq_ignore_ascii_case("application/") => &typ[12..],
        _ => typ,
    };
    short.eq_ignore_ascii_case("jwt") || short.eq_ignore_ascii_case("at+jwt")
}

#[derive(Default)]
struct Header {
    alg: Option<String>,
    kid: Option<String>,
    typ: Option<String>,
    crit: bool,
}

impl Members for Header {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        map: &mut A,
    ) -> Result<bool, A::Error> {
        match name {
            "alg" => self.alg = Some(map.next_value()?),
            "kid" => self.kid = Some(map.next_value()?),
            "typ" => self.typ = Some(map.next_value()?),
            "crit" => {
                map.next_value::<IgnoredAny>()?;
                self.crit = true;
            }
            // `jwk`, `jku`, `x5c` and their kin would let a token bring its own key.
            _ => return Ok(false),
        }
        Ok(true)
    }
}

//! The claims of a token (RFC 7519, section 4) and what is demanded of them.

use serde::Deserialize;
use serde::de::MapAccess;
use zephyr_edge_core::config::OneOrMany;

use crate::config::{Config, is_scope_list};
use crate::strict::{self, Members};

/// What is kept of a verified token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(crate) subject: String,
    /// Scope tokens with spaces between them (RFC 8693, section 4.2); may be empty.
    pub(crate) scope: String,
    /// First second, since the Unix epoch, in which the token is no longer good.
    pub(crate) expires: i64,
    /// First second in which it is.
    pub(crate) not_before: i64,
}

impl Claims {
    /// Reads and checks everything that does not depend on the time.
    pub(crate) fn read(json: &[u8], config: &Config) -> Result<Self, &'static str> {
        let raw: Raw = strict::object(json).ok_or("the claims cannot be read")?;
        if !raw
            .iss
            .is_some_and(|issuer| config.issuers.contains(&issuer))
        {
            return Err("the token is from another issuer");
        }
        let audience = raw.aud.map(OneOrMany::into_vec).unwrap_or_default();
        if !audience.iter().any(|name| config.audiences.contains(name)) {
            return Err("the token is for another audience");
        }
        let expires = raw.exp.ok_or("the token has no expiry")?.floor;
        let not_before = raw.nbf.map_or(i64::MIN, |nbf| nbf.ceil);
        let subject = raw.sub.unwrap_or_default();
        // It becomes a field value, so it must not be able to end one, or to look like two.
        let legal = |c: char| !c.is_control() && c != ',';
        if subject.is_empty() || subject.len() > 256 || !subject.chars().all(legal) {
            return Err("the token names no usable subject");
        }
        if subject.trim() != subject {
            return Err("the token names no usable subject");
        }
        let scope = raw.scope.unwrap_or_default();
        if scope.len() > 2048 || !is_scope_list(&scope, true) {
            return Err("the token's scope cannot be read");
        }
        Ok(Self {
            subject,
            scope,
            expires,
            not_before,
        })
    }

    /// Whether the token is good at this second since the Unix epoch, clocks being `leeway`
    /// seconds apart at most.
    pub(crate) fn check_time(&self, now: i64, leeway: i64) -> Result<(), &'static str> {
        // RFC 7519, section 4.1.4: "on or after which" it is no longer good.
        if now >= self.expires.saturating_add(leeway) {
            return Err("the token has expired");
        }
        if now < self.not_before.saturating_sub(leeway) {
            return Err("the token is not valid yet");
        }
        Ok(())
    }

    /// Whether the token has a scope.
    pub(crate) fn has_scope(&self, scope: &str) -> bool {
        self.scope.split(' ').any(|known| known == scope)
    }
}

#[derive(Default)]
struct Raw {
    iss: Option<String>,
    aud: Option<OneOrMany>,
    sub: Option<String>,
    scope: Option<String>,
    exp: Option<NumericDate>,
    nbf: Option<NumericDate>,
}

impl Members for Raw {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        map: &mut A,
    ) -> Result<bool, A::Error> {
        match name {
            "iss" => self.iss = Some(map.next_value()?),
            "aud" => self.aud = Some(map.next_value()?),
            "sub" => self.sub = Some(map.next_value()?),
            "scope" => self.scope = Some(map.next_value()?),
            "exp" => self.exp = Some(map.next_value()?),
            "nbf" => self.nbf = Some(map.next_value()?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Seconds since the Unix epoch, which need not be whole (RFC 7519, section 2). Rounded to the side
/// on which the token is good for less long.
#[derive(Clone, Copy, Deserialize)]
#[serde(from = "Number")]
struct NumericDate {
    floor: i64,
    ceil: i64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Whole(i64),
    Other(f64),
}

impl From<Number> for NumericDate {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float that is too large is cut off"
    )]
    fn from(number: Number) -> Self {
        match number {
            Number::Whole(seconds) => Self {
                floor: seconds,
                ceil: seconds,
            },
            Number::Other(seconds) => Self {
                floor: seconds.floor() as i64,
                ceil: seconds.ceil() as i64,
            },
        }
    }
}

//! The decision about a request.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use zephyr_edge_core::capability::Level;
use zephyr_edge_core::pattern::has_dot_segments;
use zephyr_edge_core::{ConfigError, Exchange, Filter, Host, Phases, Target, Verdict};

use crate::challenge::Refusal;
use crate::claims::Claims;
use crate::config::{Config, KeySource};
use crate::keys::Keys;
use crate::remembered::Remembered;
use crate::token::Token;

/// Verifies bearer tokens. See the crate's documentation for what it decides.
#[derive(Debug)]
pub struct Auth {
    config: Config,
    keys: Keys,
    remembered: RefCell<Remembered>,
}

/// What an `authorization` field holds.
enum Credentials<'a> {
    /// Nothing, or another scheme's.
    None,
    Malformed,
    Bearer(&'a str),
}

impl Filter for Auth {
    fn configure(json: &str) -> Result<(Self, Phases), ConfigError> {
        let mut config = Config::read(json)?;
        let source = std::mem::replace(&mut config.keys, KeySource::Fixed(Vec::new()));
        let keys = Keys::new(source, config.algorithms.clone());
        let remembered = RefCell::new(Remembered::new(config.remember));
        Ok((
            Self {
                config,
                keys,
                remembered,
            },
            Phases::REQUEST,
        ))
    }

    async fn on_request<X: Exchange, H: Host>(&self, x: &mut X, host: &H) -> Verdict {
        match self.decide(x, host).await {
            Ok(None) => Verdict::Next,
            Ok(Some(claims)) => {
                // A client's own x-zephyr-* fields are gone already; the values were checked when
                // the token was read, so writing them cannot fail.
                let subject = x.set_header("x-zephyr-subject", &claims.subject);
                let scope = match claims.scope.as_str() {
                    "" => Ok(()),
                    scope => x.set_header("x-zephyr-scope", scope),
                };
                debug_assert!(subject.is_ok() && scope.is_ok());
                Verdict::Next
            }
            Err(refusal) => refusal.reply(&self.config.realm, &x.request_id()).into(),
        }
    }
}

impl Auth {
    /// Whose request it is, if it may pass and says so.
    async fn decide<X: Exchange, H: Host>(
        &self,
        x: &X,
        host: &H,
    ) -> Result<Option<Rc<Claims>>, Refusal<'_>> {
        let target = Target::new(x);
        if self.config.has_paths && has_dot_segments(target.path()) {
            return Err(Refusal::Path);
        }
        let public = || self.config.public.iter().any(|rule| target.matches(rule));
        let authorization = x.header("authorization");
        let token = match authorization
            .as_deref()
            .map_or(Credentials::None, credentials)
        {
            Credentials::None if public() => return Ok(None),
            Credentials::None => return Err(Refusal::Missing),
            Credentials::Malformed => return Err(Refusal::Malformed),
            Credentials::Bearer(token) => token,
        };
        let claims = self.verify(token, host).await?;
        for rule in &self.config.scopes {
            let lacks = || rule.scopes.iter().any(|scope| !claims.has_scope(scope));
            if target.matches(&rule.on) && lacks() && !public() {
                return Err(Refusal::Scope(&rule.scopes));
            }
        }
        Ok(Some(claims))
    }

    async fn verify<H: Host>(&self, text: &str, host: &H) -> Result<Rc<Claims>, Refusal<'_>> {
        if text.len() > self.config.max_token_bytes {
            return Err(Refusal::Invalid("the token is too long"));
        }
        let now = host.now();
        let set = self.keys.current(now, host).await;
        if let Some(claims) = self.remembered.borrow().get(set.generation, text) {
            self.check_time(&claims, now)?;
            return Ok(claims);
        }
        if set.is_empty() {
            return Err(Refusal::NoKeys);
        }
        let token = Token::parse(text).map_err(Refusal::Invalid)?;
        let newer;
        let (generation, key) = match set.find(&token).map_err(Refusal::Invalid)? {
            Some(key) => (set.generation, key),
            None => {
                const UNKNOWN: Refusal<'_> = Refusal::Invalid("the token's key is not known");
                newer = self.keys.newer(&set, now, host).await.ok_or(UNKNOWN)?;
                let key = newer.find(&token).map_err(Refusal::Invalid)?;
                (newer.generation, key.ok_or(UNKNOWN)?)
            }
        };
        let algorithm = token.alg.algorithm();
        match host
            .verify(algorithm, &key.bytes, token.signed, &token.signature)
            .await
        {
            Ok(true) => {}
            Ok(false) => return Err(Refusal::Invalid("the token's signature is wrong")),
            Err(error) => {
                host.log(Level::Error, &format!("auth: key {:?}: {error}", key.kid));
                return Err(Refusal::NoKeys);
            }
        }
        let claims = token
            .payload()
            .and_then(|json| Claims::read(&json, &self.config));
        let claims = Rc::new(claims.map_err(Refusal::Invalid)?);
        self.check_time(&claims, now)?;
        self.remembered
            .borrow_mut()
            .insert(generation, text, &claims);
        Ok(claims)
    }

    fn check_time(&self, claims: &Claims, now: Duration) -> Result<(), Refusal<'_>> {
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        claims
            .check_time(now, self.config.leeway)
            .map_err(Refusal::Invalid)
    }
}

/// RFC 6750, section 2.1: `Bearer`, spaces, and a b64token. Schemes are compared without regard to
/// case (RFC 9110, section 11.1).
fn credentials(field: &str) -> Credentials<'_> {
    let field = field.trim_matches([' ', '\t']);
    let (scheme, rest) = field.split_at(field.find([' ', '\t', ',']).unwrap_or(field.len()));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Credentials::None;
    }
    let token = rest.trim_start_matches(' ');
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.is_empty() || !token.bytes().all(legal) {
        return Credentials::Malformed;
    }
    Credentials::Bearer(token)
}

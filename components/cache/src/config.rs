//! The configuration of a `cache` stage.

use serde::Deserialize;
use zephyr_edge_core::pattern::{Methods, PathPattern, RequestMatch};
use zephyr_edge_core::{ConfigError, config, field};

use crate::glob::Glob;
use crate::query::{ForwardQuery, QueryRules, Which};
use crate::rule::{Lifetimes, Rule, Template};

/// The keys as they are written. `docs/filters.md` repeats them for operators. All may be left out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    /// Parameters that go from the query: names, with `*` for any text. Not beside `keep_query`.
    #[serde(default)]
    drop_query: Vec<Glob>,
    /// The only parameters that stay.
    keep_query: Option<Vec<Glob>>,
    /// Whether parameters are sorted by name. Default false.
    #[serde(default)]
    sort_query: bool,
    /// "clean": the upstream is asked with the clean query; "original": with the client's. Default
    /// "clean".
    #[serde(default)]
    forward_query: ForwardQuery,
    /// Request fields whose values are parts of the key.
    #[serde(default)]
    key_headers: Vec<String>,
    /// Cookies whose values are parts of the key.
    #[serde(default)]
    key_cookies: Vec<String>,
    /// How long a success is fresh, over what the answer says itself.
    #[serde(default, deserialize_with = "config::seconds")]
    ttl: Option<u32>,
    /// How long past that it may be served while it is refreshed.
    #[serde(default, deserialize_with = "config::seconds")]
    stale_while_revalidate: Option<u32>,
    /// How long past that it may be served when the upstream fails.
    #[serde(default, deserialize_with = "config::seconds")]
    stale_if_error: Option<u32>,
    /// Keys under which every answer can be purged.
    #[serde(default)]
    surrogate_keys: Vec<String>,
    /// What differs for some requests and answers. The first rule that says something counts, for
    /// each lifetime by itself; surrogate keys of all rules add up.
    #[serde(default)]
    rules: Vec<RawRule>,
    /// When the cache is left out. One entry that is met is enough.
    #[serde(default)]
    bypass: Vec<RawBypass>,
}

/// A rule about storing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    /// Only requests of these methods.
    methods: Option<Methods>,
    /// Only requests on these paths.
    paths: Option<Vec<PathPattern>>,
    /// Only answers of these statuses. Default: for lifetimes 2xx, 301 and 308, for surrogate keys
    /// all.
    status: Option<Vec<u16>>,
    #[serde(default, deserialize_with = "config::seconds")]
    ttl: Option<u32>,
    #[serde(default, deserialize_with = "config::seconds")]
    stale_while_revalidate: Option<u32>,
    #[serde(default, deserialize_with = "config::seconds")]
    stale_if_error: Option<u32>,
    /// Keys with parameters of `paths` in braces, as in "listing-{id}".
    #[serde(default)]
    surrogate_keys: Vec<String>,
}

/// Conditions that must all be met.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBypass {
    /// One of these methods.
    methods: Option<Methods>,
    /// One of these paths.
    paths: Option<Vec<PathPattern>>,
    /// One of these cookies is there.
    cookies: Option<Vec<String>>,
    /// One of these request fields is there.
    headers: Option<Vec<String>>,
    /// Appears in `Cache-Status`. Default "policy".
    reason: Option<String>,
}

/// A checked configuration.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) query: QueryRules,
    pub(crate) key_headers: Vec<String>,
    pub(crate) key_cookies: Vec<String>,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) surrogate_keys: Vec<String>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) bypass: Vec<Bypass>,
}

/// Conditions under which the cache is left out.
#[derive(Debug)]
pub(crate) struct Bypass {
    pub(crate) on: RequestMatch,
    pub(crate) cookies: Option<Vec<String>>,
    pub(crate) headers: Option<Vec<String>>,
    pub(crate) reason: String,
}

/// Entries that a list may have.
const MAX_ENTRIES: usize = 64;

impl Config {
    pub(crate) fn read(json: &str) -> Result<Self, ConfigError> {
        let raw: Raw = config::read(json)?;
        let fail = |why: &str| Err(ConfigError::new(why));
        let which = match raw.keep_query {
            Some(_) if !raw.drop_query.is_empty() => {
                return fail("drop_query and keep_query: only one of them can be given");
            }
            Some(globs) => Which::Keep(globs),
            None => Which::Drop(raw.drop_query),
        };
        let (Which::Drop(globs) | Which::Keep(globs)) = &which;
        if globs.len() > MAX_ENTRIES {
            return fail("drop_query, keep_query: must not hold more than 64 names");
        }
        if raw.rules.len() > MAX_ENTRIES || raw.bypass.len() > MAX_ENTRIES {
            return fail("rules, bypass: must not hold more than 64 entries");
        }
        let key_headers = names("key_headers", raw.key_headers)?;
        // What would make every client a variant, or be a secret in a key.
        for name in ["authorization", "cookie"] {
            if key_headers.iter().any(|header| header == name) {
                let hint = "name cookies in key_cookies; answers to credentials are not shared";
                return Err(ConfigError::new(format!("key_headers: {name}: {hint}")));
            }
        }
        let key_cookies = names("key_cookies", raw.key_cookies)?;
        let lifetimes = Lifetimes {
            ttl: raw.ttl,
            stale_while_revalidate: raw.stale_while_revalidate,
            stale_if_error: raw.stale_if_error,
        };
        for (index, key) in raw.surrogate_keys.iter().enumerate() {
            // Which path a parameter would be of is only clear in a rule.
            Template::parse(key, &[])
                .map_err(|why| ConfigError::new(format!("surrogate_keys[{index}]: {why}")))?;
        }
        if raw.surrogate_keys.len() > MAX_ENTRIES {
            return fail("surrogate_keys: must not hold more than 64 keys");
        }
        let mut rules = Vec::new();
        for (index, rule) in raw.rules.into_iter().enumerate() {
            let at = |why: String| ConfigError::new(format!("rules[{index}]{why}"));
            rules.push(self::rule(rule).map_err(at)?);
        }
        let mut bypass = Vec::new();
        for (index, entry) in raw.bypass.into_iter().enumerate() {
            let at = |why: String| ConfigError::new(format!("bypass[{index}]{why}"));
            bypass.push(self::bypass(entry).map_err(at)?);
        }
        Ok(Self {
            query: QueryRules {
                which,
                sort: raw.sort_query,
                forward: raw.forward_query,
            },
            key_headers,
            key_cookies,
            lifetimes,
            surrogate_keys: raw.surrogate_keys,
            rules,
            bypass,
        })
    }
}

fn rule(raw: RawRule) -> Result<Rule, String> {
    let on = request_match(raw.methods, raw.paths)?;
    if let Some(status) = &raw.status
        && (status.is_empty() || !status.iter().all(|code| (200..=599).contains(code)))
    {
        return Err(".status: must be status codes from 200 to 599, at least one".to_owned());
    }
    let lifetimes = Lifetimes {
        ttl: raw.ttl,
        stale_while_revalidate: raw.stale_while_revalidate,
        stale_if_error: raw.stale_if_error,
    };
    if lifetimes.is_empty() && raw.surrogate_keys.is_empty() {
        return Err(": says nothing: give a lifetime or surrogate_keys".to_owned());
    }
    if raw.surrogate_keys.len() > MAX_ENTRIES {
        return Err(".surrogate_keys: must not hold more than 64 keys".to_owned());
    }
    let paths = on.paths.as_deref().unwrap_or_default();
    let mut surrogate_keys = Vec::new();
    for (index, key) in raw.surrogate_keys.iter().enumerate() {
        let at = |why| format!(".surrogate_keys[{index}]: {why}");
        surrogate_keys.push(Template::parse(key, paths).map_err(at)?);
    }
    Ok(Rule {
        on,
        status: raw.status,
        lifetimes,
        surrogate_keys,
    })
}

fn bypass(raw: RawBypass) -> Result<Bypass, String> {
    let on = request_match(raw.methods, raw.paths)?;
    let list = |key: &str, list: Option<Vec<String>>| match list {
        None => Ok(None),
        Some(list) if list.is_empty() => Err(format!(".{key}: must name at least one")),
        Some(list) => names(key, list)
            .map(Some)
            .map_err(|error| format!(".{error}")),
    };
    let cookies = list("cookies", raw.cookies)?;
    let headers = list("headers", raw.headers)?;
    if on == RequestMatch::default() && cookies.is_none() && headers.is_none() {
        return Err(": names no condition; leave `cache` off the route instead".to_owned());
    }
    let reason = raw.reason.unwrap_or_else(|| "policy".to_owned());
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !(1..=32).contains(&reason.len()) || !reason.bytes().all(legal) {
        return Err(".reason: must be 1 to 32 letters, digits, \"-\", \"_\" or \".\"".to_owned());
    }
    Ok(Bypass {
        on,
        cookies,
        headers,
        reason,
    })
}

fn request_match(
    methods: Option<Methods>,
    paths: Option<Vec<PathPattern>>,
) -> Result<RequestMatch, String> {
    if paths.as_ref().is_some_and(Vec::is_empty) {
        return Err(".paths: must name at least one path, or be left out for all".to_owned());
    }
    Ok(RequestMatch { methods, paths })
}

/// Names of fields or cookies: both are tokens. Fields are lower-cased, cookies stay as they are.
fn names(key: &str, names: Vec<String>) -> Result<Vec<String>, ConfigError> {
    if names.len() > 16 {
        return Err(ConfigError::new(format!(
            "{key}: must not hold more than 16 names"
        )));
    }
    let cookies = key.ends_with("cookies");
    let mut checked = Vec::with_capacity(names.len());
    for name in names {
        // Only fields can belong to the host.
        let refused = match field::check_name(&name) {
            Err(field::HeaderError::Forbidden) => !cookies,
            result => result.is_err(),
        };
        if refused {
            let what = if cookies {
                "a cookie"
            } else {
                "a field that a filter can read"
            };
            return Err(ConfigError::new(format!(
                "{key}: {name:?} is not the name of {what}"
            )));
        }
        checked.push(if cookies {
            name
        } else {
            name.to_ascii_lowercase()
        });
    }
    Ok(checked)
}

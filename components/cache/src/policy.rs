//! What is said to the cache about an exchange.

use std::borrow::Cow;
use std::cell::OnceCell;

use zephyr_edge_core::{ConfigError, Exchange, Filter, Host, Phases, Target, Verdict};

use crate::config::{Bypass, Config};
use crate::query::ForwardQuery;
use crate::rule::{Lifetimes, is_usual};

/// Bytes that the client's values may add to a key. A node ends the call of a filter that says too
/// much, and a client must not be able to bring that about: its request passes the cache by.
const MAX_KEY_BYTES: usize = 4096;

/// Sets the cache policy of a route. See the crate's documentation for what it says when.
#[derive(Debug)]
pub struct Cache {
    config: Config,
    /// Whether any rule or the stage itself sets lifetimes or names a status.
    needs_status: bool,
}

/// What is to be done on a request.
enum Plan {
    Bypass(String),
    Store {
        query: Option<Clean>,
        key_part: String,
    },
}

/// A query to use in place of the request's.
struct Clean {
    /// Path and query for the upstream; none when it gets the original.
    target: Option<String>,
    query: String,
}

impl Filter for Cache {
    fn configure(json: &str) -> Result<(Self, Phases), ConfigError> {
        let config = Config::read(json)?;
        let has_lifetimes = |lifetimes: &Lifetimes| !lifetimes.is_empty();
        let needs_status = has_lifetimes(&config.lifetimes)
            || config
                .rules
                .iter()
                .any(|rule| rule.status.is_some() || has_lifetimes(&rule.lifetimes));
        let phases = Phases {
            request: !config.bypass.is_empty()
                || !config.query.is_empty()
                || !config.key_headers.is_empty()
                || !config.key_cookies.is_empty(),
            upstream: needs_status || !config.surrogate_keys.is_empty() || !config.rules.is_empty(),
            response: false,
        };
        Ok((
            Self {
                config,
                needs_status,
            },
            phases,
        ))
    }

    async fn on_request<X: Exchange, H: Host>(&self, x: &mut X, _host: &H) -> Verdict {
        match self.plan(x) {
            Plan::Bypass(reason) => x.bypass(&reason),
            Plan::Store { query, key_part } => {
                if let Some(clean) = query {
                    let rewritten = clean.target.is_some_and(|target| {
                        // Cannot fail but for a target that was not legal on the way in.
                        x.set_path_and_query(&target).is_ok()
                    });
                    if !rewritten {
                        x.set_key_query(
                            Some(&clean.query)
                                .filter(|q| !q.is_empty())
                                .map(String::as_str),
                        );
                    }
                }
                if !key_part.is_empty() {
                    x.add_key_part(&key_part);
                }
            }
        }
        Verdict::Next
    }

    async fn on_upstream<X: Exchange, H: Host>(&self, x: &mut X, _host: &H) -> Verdict {
        let status = if self.needs_status {
            x.status().unwrap_or(0)
        } else {
            0
        };
        let mut lifetimes = Lifetimes::default();
        let mut keys = Vec::new();
        {
            let target = Target::new(&*x);
            for rule in self
                .config
                .rules
                .iter()
                .filter(|rule| rule.is_about(&target))
            {
                if rule.has_lifetimes_for(status) {
                    lifetimes = lifetimes.or(rule.lifetimes);
                }
                rule.keys(status, || target.path().to_owned(), &mut keys);
            }
        }
        if is_usual(status) {
            lifetimes = lifetimes.or(self.config.lifetimes);
        }
        if let Some(seconds) = lifetimes.ttl {
            x.set_ttl(seconds);
        }
        if let Some(seconds) = lifetimes.stale_while_revalidate {
            x.set_stale_while_revalidate(seconds);
        }
        if let Some(seconds) = lifetimes.stale_if_error {
            x.set_stale_if_error(seconds);
        }
        let fixed = self.config.surrogate_keys.iter();
        let keys: Vec<&str> = fixed.chain(&keys).map(String::as_str).collect();
        if !keys.is_empty() {
            x.add_surrogate_keys(&keys);
        }
        Verdict::Next
    }
}

impl Cache {
    fn plan<X: Exchange>(&self, x: &X) -> Plan {
        let target = Target::new(x);
        let cookies = Cookies::new(x);
        for entry in &self.config.bypass {
            if is_met(entry, x, &target, &cookies) {
                return Plan::Bypass(entry.reason.clone());
            }
        }
        let query = self.clean(x, &target);
        let mut key_part = String::new();
        for name in &self.config.key_headers {
            push_part(&mut key_part, "field ", name, x.header(name).as_deref());
        }
        for name in &self.config.key_cookies {
            push_part(&mut key_part, "cookie ", name, cookies.get(name));
        }
        let key_query = query.as_ref().filter(|clean| clean.target.is_none());
        if key_part.len() + key_query.map_or(0, |clean| clean.query.len()) > MAX_KEY_BYTES {
            return Plan::Bypass("key-too-long".to_owned());
        }
        Plan::Store { query, key_part }
    }

    fn clean<X: Exchange>(&self, x: &X, target: &Target<'_, X>) -> Option<Clean> {
        if self.config.query.is_empty() {
            return None;
        }
        let query = self.config.query.clean(&x.query()?)?;
        if !matches!(target.method(), "GET" | "HEAD") {
            return None;
        }
        let target = match self.config.query.forward {
            ForwardQuery::Original => None,
            ForwardQuery::Clean if query.is_empty() => Some(target.path().to_owned()),
            ForwardQuery::Clean => Some(format!("{}?{query}", target.path())),
        };
        Some(Clean { target, query })
    }
}

fn is_met<X: Exchange>(
    entry: &Bypass,
    x: &X,
    target: &Target<'_, X>,
    cookies: &Cookies<'_, X>,
) -> bool {
    let any = |names: &Option<Vec<String>>, has: &dyn Fn(&str) -> bool| {
        names
            .as_ref()
            .is_none_or(|names| names.iter().any(|name| has(name)))
    };
    target.matches(&entry.on)
        && any(&entry.cookies, &|name| cookies.get(name).is_some())
        && any(&entry.headers, &|name| x.header(name).is_some())
}

/// Parts are set apart by a line feed, which no value can hold; an absent value is unlike an empty
/// one.
fn push_part(key: &mut String, kind: &str, name: &str, value: Option<&str>) {
    if !key.is_empty() {
        key.push('\n');
    }
    key.push_str(kind);
    key.push_str(name);
    if let Some(value) = value {
        key.push('=');
        key.push_str(value);
    }
}

/// The request's cookies, asked of the host when the first is looked for.
struct Cookies<'x, X> {
    exchange: &'x X,
    field: OnceCell<Option<Cow<'x, str>>>,
}

impl<'x, X: Exchange> Cookies<'x, X> {
    fn new(exchange: &'x X) -> Self {
        Self {
            exchange,
            field: OnceCell::new(),
        }
    }

    /// The value of the first cookie of that name (RFC 6265, section 4.2.1). HTTP/2 may split the
    /// field into lines (RFC 9113, section 8.2.3), which are joined by a comma here.
    fn get(&self, name: &str) -> Option<&str> {
        let field = self
            .field
            .get_or_init(|| self.exchange.header("cookie"))
            .as_deref()?;
        field.split([';', ',']).find_map(|pair| {
            let (known, value) = pair.split_once('=')?;
            (known.trim() == name).then(|| value.trim())
        })
    }
}

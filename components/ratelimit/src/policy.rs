//! The decision about a request.

use std::cell::Cell;

use zephyr_edge_core::capability::{Decision, Level, Limit, LimiterError};
use zephyr_edge_core::{
    ConfigError, Exchange, Filter, Host, Phases, Problem, Reply, Target, Verdict,
};

use crate::config::{Config, ConfiguredLimit, OnUnavailable};
use crate::fields::whole_seconds;
use crate::key::Part;

/// Limits request rates. See the crate's documentation for what it decides.
#[derive(Debug)]
pub struct RateLimit {
    config: Config,
    /// Whether the counters were out of reach at the last request: said once, not at each.
    failing: Cell<bool>,
}

impl Filter for RateLimit {
    fn configure(json: &str) -> Result<(Self, Phases), ConfigError> {
        let config = Config::read(json)?;
        Ok((
            Self {
                config,
                failing: Cell::new(false),
            },
            Phases::REQUEST,
        ))
    }

    async fn on_request<X: Exchange, H: Host>(&self, x: &mut X, host: &H) -> Verdict {
        let (applied, limits) = self.apply(x);
        if limits.is_empty() {
            return Verdict::Next;
        }
        let decisions = match host.check(&limits).await {
            Ok(decisions) if decisions.len() == limits.len() => decisions,
            Ok(_) => return self.unavailable(x, host, "the limiter left limits out"),
            Err(LimiterError::Unavailable(why) | LimiterError::Invalid(why)) => {
                return self.unavailable(x, host, &why);
            }
        };
        if self.failing.replace(false) {
            host.log(Level::Info, "ratelimit: the counters are back");
        }
        if self.config.headers {
            say(x, &applied, &decisions);
        }
        // Of those that refuse, the one that keeps the client waiting for longest.
        let refusals = applied
            .iter()
            .zip(&decisions)
            .filter(|(_, decision)| !decision.allowed);
        match refusals.max_by_key(|(_, decision)| decision.retry_after) {
            None => Verdict::Next,
            Some((limit, decision)) => too_many(limit, decision, &x.request_id()).into(),
        }
    }
}

impl RateLimit {
    /// The limits that apply to a request, and what to ask the limiter.
    fn apply<X: Exchange>(&self, x: &X) -> (Vec<&ConfiguredLimit>, Vec<Limit>) {
        let target = Target::new(x);
        let mut applied = Vec::with_capacity(self.config.limits.len());
        let mut limits = Vec::with_capacity(self.config.limits.len());
        for limit in &self.config.limits {
            if !target.matches(&limit.on) {
                continue;
            }
            if let Some(key) = self.key(limit, x) {
                applied.push(limit);
                limits.push(Limit {
                    key,
                    count: limit.count,
                    period: limit.period,
                    burst: limit.burst,
                    cost: limit.cost,
                });
            }
        }
        (applied, limits)
    }

    /// The key of a request under a limit; none when the limit does not apply to it.
    fn key<X: Exchange>(&self, limit: &ConfiguredLimit, x: &X) -> Option<String> {
        let mut key = String::with_capacity(limit.prefix.len() + 40 * limit.parts.len());
        key.push_str(&limit.prefix);
        for part in &limit.parts {
            if self.config.keys.push(part, x, &mut key) {
                continue;
            }
            if !limit.fallback_to_ip {
                return None;
            }
            // Marked, so that it is unlike any value of that part.
            key.push_str("\n@");
            self.config.keys.push(&Part::Ip, x, &mut key);
        }
        Some(key)
    }

    fn unavailable<X: Exchange, H: Host>(&self, x: &X, host: &H, why: &str) -> Verdict {
        if !self.failing.replace(true) {
            let then = match self.config.on_unavailable {
                OnUnavailable::Open => "requests go on uncounted",
                OnUnavailable::Closed => "requests get 503",
            };
            host.log(Level::Error, &format!("ratelimit: {why}; {then}"));
        }
        match self.config.on_unavailable {
            OnUnavailable::Open => Verdict::Next,
            OnUnavailable::Closed => {
                let detail = "Request rates cannot be checked at the moment.";
                Problem::new(503, "Service Unavailable", detail, &x.request_id())
                    .into_reply()
                    .with_header("retry-after", "1")
                    .into()
            }
        }
    }
}

fn say<X: Exchange>(x: &mut X, applied: &[&ConfiguredLimit], decisions: &[Decision]) {
    let mut policies = String::with_capacity(64 * applied.len());
    let mut states = String::with_capacity(32 * applied.len());
    for (limit, decision) in applied.iter().zip(decisions) {
        limit.item.push_policy(&mut policies);
        limit.item.push_state(decision, &mut states);
    }
    // Both are made of checked names and numbers, so writing them cannot fail.
    let written = x
        .append_response_header("ratelimit-policy", &policies)
        .and_then(|()| x.append_response_header("ratelimit", &states));
    debug_assert!(written.is_ok());
}

fn too_many(limit: &ConfiguredLimit, decision: &Decision, request_id: &str) -> Reply {
    let wait = whole_seconds(decision.retry_after).max(1);
    let detail = format!(
        "The limit {:?} is used up; try again in {wait} s.",
        limit.name
    );
    Problem::new(429, "Too Many Requests", &detail, request_id)
        .into_reply()
        .with_header("retry-after", wait.to_string())
}

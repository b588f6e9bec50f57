//! The policies that are linked in, as stages of a pipeline.
//!
//! This is the one place that names them. A new rule in a policy needs no change here or in a host.

use std::fmt;
use std::time::Duration;

use zephyr_component_auth::Auth;
use zephyr_component_cache::Cache;
use zephyr_component_ratelimit::RateLimit;
use zephyr_edge_core::capability::{
    Algorithm, Clock, Decision, KeyError, Kv, KvError, Level, Limit, Limiter, LimiterError, Log,
    Random, Signatures,
};
use zephyr_edge_core::{ConfigError, Filter, Phases, gcra};
use zephyr_edge_pipeline::config::OnError;
use zephyr_edge_pipeline::stages::{self, Phase, Verdict};
use zephyr_edge_pipeline::{Exchange, kv_scope};

use crate::platform::Platform;

/// A policy.
#[derive(Debug)]
enum Policy {
    Auth(Box<Auth>),
    Cache(Box<Cache>),
    RateLimit(Box<RateLimit>),
}

/// The names of the component files whose policies are linked in.
pub const NAMES: [&str; 3] = ["auth", "cache", "ratelimit"];

impl Policy {
    fn configure(name: &str, json: &str) -> Option<Result<(Self, Phases), ConfigError>> {
        fn boxed<F: Filter>(
            json: &str,
            wrap: impl FnOnce(Box<F>) -> Policy,
        ) -> Result<(Policy, Phases), ConfigError> {
            F::configure(json).map(|(policy, phases)| (wrap(Box::new(policy)), phases))
        }
        Some(match name {
            "auth" => boxed(json, Policy::Auth),
            "cache" => boxed(json, Policy::Cache),
            "ratelimit" => boxed(json, Policy::RateLimit),
            _ => return None,
        })
    }
}

/// A configured policy in a route's pipeline.
#[derive(Debug)]
pub struct Linked {
    /// The component's name in the configuration: its keys and counters lie below it.
    component: String,
    policy: Policy,
    phases: Phases,
    on_error: OnError,
}

impl Linked {
    /// Configures the policy of a component's file; none when no such policy is linked in.
    ///
    /// # Errors
    ///
    /// What the policy says of the configuration.
    pub fn new(
        component: &str,
        file: &str,
        json: &str,
        on_error: OnError,
    ) -> Option<Result<Self, ConfigError>> {
        let made = Policy::configure(file, json)?;
        Some(made.map(|(policy, phases)| Self {
            component: component.to_owned(),
            policy,
            phases,
            on_error,
        }))
    }

    /// The phases in which it wants to be called.
    #[must_use]
    pub fn phases(&self) -> Phases {
        self.phases
    }
}

/// A policy with the host that it is called with.
#[derive(Debug)]
pub struct Stage<'a, P> {
    pub(crate) linked: &'a Linked,
    pub(crate) platform: &'a P,
}

/// What a policy answered cannot be sent.
#[derive(Debug)]
pub struct InvalidReply(String);

impl fmt::Display for InvalidReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "answered with an invalid reply: {}", self.0)
    }
}

impl stages::Failure for InvalidReply {}

impl<P: Platform> stages::Stage for Stage<'_, P> {
    type Failure = InvalidReply;

    fn name(&self) -> &str {
        &self.linked.component
    }

    fn phases(&self) -> Phases {
        self.linked.phases
    }

    fn on_error(&self) -> OnError {
        self.linked.on_error
    }

    async fn call(
        &self,
        phase: Phase,
        mut x: Box<Exchange>,
    ) -> (Box<Exchange>, Result<Verdict, InvalidReply>) {
        let host = Scoped {
            component: &self.linked.component,
            platform: self.platform,
        };
        let verdict = match &self.linked.policy {
            Policy::Auth(policy) => ask(&**policy, phase, &mut x, &host).await,
            Policy::Cache(policy) => ask(&**policy, phase, &mut x, &host).await,
            Policy::RateLimit(policy) => ask(&**policy, phase, &mut x, &host).await,
        };
        (x, Verdict::checked(verdict).map_err(InvalidReply))
    }
}

async fn ask<F: Filter, P: Platform>(
    policy: &F,
    phase: Phase,
    x: &mut Exchange,
    host: &Scoped<'_, P>,
) -> zephyr_edge_core::Verdict {
    match phase {
        Phase::Request => policy.on_request(x, host).await,
        Phase::Upstream => policy.on_upstream(x, host).await,
        Phase::Response => policy.on_response(x, host).await,
    }
}

/// A platform as one component sees it.
struct Scoped<'a, P> {
    component: &'a str,
    platform: &'a P,
}

impl<P: Platform> Clock for Scoped<'_, P> {
    fn now(&self) -> Duration {
        self.platform.now()
    }
}

impl<P: Platform> Random for Scoped<'_, P> {
    fn fill(&self, buffer: &mut [u8]) {
        self.platform.fill(buffer);
    }
}

impl<P: Platform> Log for Scoped<'_, P> {
    fn log(&self, level: Level, message: &str) {
        self.platform.log(level, message);
    }
}

impl<P: Platform> Kv for Scoped<'_, P> {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KvError> {
        let key = kv_scope::readable(self.component, key).map_err(KvError::Invalid)?;
        self.platform.kv_get(&key).await
    }

    async fn set(&self, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<(), KvError> {
        let key = kv_scope::writable(self.component, key).map_err(KvError::Invalid)?;
        self.platform.kv_set(&key, value, ttl).await
    }

    async fn delete(&self, key: &str) -> Result<(), KvError> {
        let key = kv_scope::writable(self.component, key).map_err(KvError::Invalid)?;
        self.platform.kv_delete(&key).await
    }
}

impl<P: Platform> Limiter for Scoped<'_, P> {
    async fn check(&self, limits: &[Limit]) -> Result<Vec<Decision>, LimiterError> {
        gcra::validate(limits)?;
        let mut limits = limits.to_vec();
        for limit in &mut limits {
            // A component counts in a name space of its own.
            limit.key = format!("{}/{}", self.component, limit.key);
        }
        self.platform.limit(&limits).await
    }
}

impl<P: Platform> Signatures for Scoped<'_, P> {
    async fn verify(
        &self,
        algorithm: Algorithm,
        key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, KeyError> {
        zephyr_edge_signatures::verify(algorithm, key, message, signature)
    }
}

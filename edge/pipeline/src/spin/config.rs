//! The node's configuration for a Spin application.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::manifest::{Component, Manifest};
use super::variables::{environment_name, values};
use super::{Grants, hosts};
use crate::config::{
    self, ComponentKind, Config, ConfigError, KvBackend, ParseOptions, Route, Size, Target,
    UpstreamConfig,
};
use crate::router::{HostPattern, PathPattern, Table};

/// Until the head of an answer.
const DEADLINE: Duration = Duration::from_secs(30);
/// Per instance.
const MEMORY: Size = Size::mib(128);
/// Of a component, per worker thread.
const MAX_INSTANCES: u32 = 64;
const MAX_REUSE: u32 = 100_000;

/// What stands in no manifest.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to take requests.
    pub listen: SocketAddr,
    /// The admin port; none: no admin port.
    pub admin: Option<SocketAddr>,
    /// Worker threads; 0: one per core.
    pub threads: usize,
    /// Compiled components, and key-value stores that are kept in a file.
    pub data_dir: PathBuf,
    /// Where key-value stores are kept. Not Redis, which needs more to be found.
    pub kv: KvBackend,
    /// Whether each request is a line on standard output.
    pub access_log: bool,
}

impl Options {
    /// Stores in memory, a thread per core, neither an admin port nor an access log.
    #[must_use]
    pub fn new(listen: SocketAddr, data_dir: PathBuf) -> Self {
        Self {
            listen,
            admin: None,
            threads: 0,
            data_dir,
            kv: KvBackend::Memory,
            access_log: false,
        }
    }
}

/// Gives variables their values and makes the node's configuration of a manifest. `environment` is
/// where `SPIN_VARIABLE_<NAME>` is looked up; it may hold more.
///
/// # Errors
///
/// A variable without a value, a host that is none once its variables have theirs, or two routes
/// that mean the same, with file, line and column.
pub fn to_config(
    manifest: &Manifest,
    environment: &BTreeMap<String, String>,
    options: &Options,
) -> Result<Config, ConfigError> {
    let mut config = base(manifest, options)?;
    let resolver = Resolver {
        manifest,
        values: values(&manifest.variables, environment),
    };
    for (name, component) in &manifest.components {
        let grants = resolver.grants(component, &mut config.upstreams)?;
        let component = config::Component {
            path: component.source.clone(),
            kind: ComponentKind::Service,
            deadline: DEADLINE,
            memory: MEMORY,
            max_instances: MAX_INSTANCES,
            max_reuse: MAX_REUSE,
            upstreams: grants.outbound.values().cloned().collect(),
            spin: Some(Arc::new(grants)),
        };
        config.components.insert(name.clone(), component);
    }
    config.routes = routes(manifest)?;
    Ok(config)
}

/// A configuration with everything but what the manifest says.
fn base(manifest: &Manifest, options: &Options) -> Result<Config, ConfigError> {
    let text = format!("[listen]\nhttp = \"{}\"\n", options.listen);
    let parse = ParseOptions {
        file: manifest.file.clone(),
        base_dir: PathBuf::from("."),
        components_dir: PathBuf::from("."),
    };
    let mut config = Config::parse(&text, &parse)?;
    config.listen.admin = options.admin;
    config.node.threads = options.threads;
    config.node.data_dir.clone_from(&options.data_dir);
    config.kv.backend = options.kv;
    config.log.access = options.access_log;
    config.sha256.clone_from(&manifest.sha256);
    Ok(config)
}

/// What stands for variables in a manifest.
struct Resolver<'a> {
    manifest: &'a Manifest,
    values: BTreeMap<String, String>,
}

impl Resolver<'_> {
    fn missing(&self, name: &str) -> ConfigError {
        let position = self.manifest.variables.get(name).map(|v| v.position);
        let message = format!(
            "the variable {name:?} has no value: set {} in the environment",
            environment_name(name)
        );
        self.manifest.error(position.unwrap_or((1, 1)), message)
    }

    fn grants(
        &self,
        component: &Component,
        upstreams: &mut BTreeMap<String, UpstreamConfig>,
    ) -> Result<Grants, ConfigError> {
        let mut grants = Grants {
            stores: component.stores.clone(),
            environment: component.environment.clone(),
            ..Grants::default()
        };
        for (name, template) in &component.variables {
            let value = template.value.resolve(&self.values);
            let value = value.map_err(|name| self.missing(&name))?;
            grants.variables.insert(name.clone(), value);
        }
        for template in &component.hosts {
            let host = template.value.resolve(&self.values);
            let host = host.map_err(|name| self.missing(&name))?;
            let origin =
                hosts::parse(&host).map_err(|why| self.manifest.error(template.position, why))?;
            let (host, port) = origin.host_and_port();
            let place = (origin.is_tls(), host.to_owned(), port);
            // Components that ask the same server share its connections.
            let known = upstreams.iter().find(|(_, upstream)| {
                upstream.url.is_tls() == origin.is_tls()
                    && upstream.url.host_and_port() == origin.host_and_port()
            });
            let name = match known {
                Some((name, _)) => name.clone(),
                None => {
                    let name = format!("outbound-{}", upstreams.len());
                    upstreams.insert(name.clone(), UpstreamConfig::new(origin));
                    name
                }
            };
            grants.outbound.insert(place, name);
        }
        Ok(grants)
    }
}

/// One route a trigger. What a route means besides its own pattern (`/foo/...` also `/foo`) is left
/// to another one that says just that.
fn routes(manifest: &Manifest) -> Result<Vec<Route>, ConfigError> {
    let hosts = [HostPattern::Any];
    let mut table = Table::default();
    let mut taken: Vec<Vec<PathPattern>> = vec![Vec::new(); manifest.triggers.len()];
    // Exact routes before wildcards, and of each route its own pattern before what it also means.
    let mut turns = Vec::new();
    for (index, trigger) in manifest.triggers.iter().enumerate() {
        let patterns = trigger.route.patterns();
        let patterns = patterns.map_err(|why| manifest.error(trigger.position, why))?;
        for (rank, pattern) in patterns.into_iter().enumerate() {
            turns.push((rank, trigger.route.is_wildcard(), index, pattern));
        }
    }
    turns.sort_by_key(|(rank, wildcard, index, _)| (*rank, *wildcard, *index));
    for (rank, _, index, pattern) in turns {
        match table.insert(&hosts, std::slice::from_ref(&pattern), index) {
            Ok(()) => taken[index].push(pattern),
            Err(_) if rank > 0 => {}
            Err(_) => {
                let trigger = &manifest.triggers[index];
                let route = trigger.route.raw();
                let message = format!("an earlier trigger's route means the same as {route:?}");
                return Err(manifest.error(trigger.position, message));
            }
        }
    }
    let both = manifest.triggers.iter().zip(taken).enumerate();
    Ok(both
        .map(|(index, (trigger, paths))| Route {
            name: format!("trigger-{index}"),
            hosts: hosts.to_vec(),
            paths,
            target: Target::Service(trigger.component.clone()),
            cache: false,
            compress: false,
            dictionary: None,
            upgrade: Vec::new(),
            stages: Vec::new(),
            spin: Some(trigger.route.clone()),
        })
        .collect())
}

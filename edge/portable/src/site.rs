//! `zephyr.toml` for a host that links the policies in: its routes, and the policies of their stages.
//!
//! What belongs to a node alone (where it listens, how many instances a component gets) is read,
//! checked and not used. A filter whose policy is not linked in is an error: a route must not go
//! without its firewall because it moved to another host.

use std::fmt;
use std::sync::Arc;

use zephyr_edge_core::Phases;
use zephyr_edge_pipeline::config::{Config, ConfigError, ParseOptions, Target as ConfigTarget};
use zephyr_edge_pipeline::config::{Network, UpstreamConfig};
use zephyr_edge_pipeline::router::Table;

use crate::linked::{Linked, NAMES};

/// A site as it runs.
#[derive(Debug)]
pub struct Site {
    pub(crate) table: Table,
    pub(crate) routes: Vec<Route>,
    pub(crate) trusted_proxies: Vec<Network>,
    pub(crate) max_body_bytes: u64,
    pub(crate) max_header_bytes: usize,
    pub(crate) max_headers: usize,
    pub(crate) max_object_bytes: u64,
    /// What routes name and these hosts do not have.
    absent: Vec<String>,
}

/// A route.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) name: Arc<str>,
    pub(crate) target: Target,
    pub(crate) cache: bool,
    pub(crate) stages: Vec<Linked>,
    pub(crate) phases: Phases,
}

/// Who answers.
#[derive(Debug)]
pub(crate) enum Target {
    Upstream(Box<UpstreamConfig>),
    /// A service component, which this host does not run.
    Service(String),
    /// A folder, which this host does not have.
    Files,
}

/// Why a configuration is not one for this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteError(String);

impl fmt::Display for SiteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SiteError {}

impl From<ConfigError> for SiteError {
    fn from(error: ConfigError) -> Self {
        Self(error.to_string())
    }
}

/// Reads the configuration of a host: its own text, under the name of the variable that holds it, or
/// the one that was built in; and where the origin is, when the host is told.
///
/// # Errors
///
/// What is wrong, with line and column.
pub fn read(
    own: Option<(&str, &str)>,
    built_in: &str,
    origin: Option<&str>,
) -> Result<Config, SiteError> {
    let (name, text) = own.unwrap_or(("zephyr.toml", built_in));
    let options = ParseOptions {
        file: name.to_owned(),
        // Where components lie is a node's business.
        base_dir: ".".into(),
        components_dir: "components".into(),
    };
    let mut config = Config::parse(text, &options)?;
    if let Some(origin) = origin {
        config.set_origin(origin)?;
    }
    Ok(config)
}

impl Site {
    /// Makes the routes of a configuration.
    ///
    /// # Errors
    ///
    /// A stage's policy refuses its configuration, or is not linked in; with the stage's place in
    /// the file.
    pub fn new(config: &Config) -> Result<Self, SiteError> {
        let mut table = Table::default();
        let mut routes = Vec::with_capacity(config.routes.len());
        let mut absent = Vec::new();
        for (index, route) in config.routes.iter().enumerate() {
            table
                .insert(&route.hosts, &route.paths, index)
                .map_err(SiteError)?;
            let stages = route
                .stages
                .iter()
                .map(|stage| {
                    let (line, column) = stage.position;
                    let at = |what: String| {
                        let (file, name) = (&config.file, &route.name);
                        SiteError(format!("{file}:{line}:{column}: route {name:?}: {what}"))
                    };
                    let file = file_of(config, &stage.filter);
                    Linked::new(
                        &stage.filter,
                        &file,
                        &stage.config.to_string(),
                        stage.on_error,
                    )
                    .ok_or_else(|| {
                        at(format!(
                            "the filter {:?} is {file}.wasm, which is not linked into this \
                                 host; {} are",
                            stage.filter,
                            NAMES.join(", ")
                        ))
                    })?
                    .map_err(|why| at(format!("component {:?}: {why}", stage.filter)))
                })
                .collect::<Result<Vec<_>, _>>()?;
            let target = match &route.target {
                ConfigTarget::Upstream(name) => {
                    let upstream = config.upstreams.get(name).cloned();
                    Target::Upstream(Box::new(
                        upstream
                            .ok_or_else(|| SiteError(format!("there is no upstream {name:?}")))?,
                    ))
                }
                ConfigTarget::Service(name) => {
                    absent.push(format!("service component {name:?}"));
                    Target::Service(name.clone())
                }
                ConfigTarget::Files(files) => {
                    absent.push(format!("folder {}", files.root.display()));
                    Target::Files
                }
            };
            let all = |sum: Phases, stage: &Linked| sum.and(stage.phases());
            routes.push(Route {
                name: route.name.as_str().into(),
                target,
                cache: route.cache,
                phases: stages.iter().fold(Phases::default(), all),
                stages,
            });
        }
        Ok(Self {
            table,
            routes,
            trusted_proxies: config.listen.trusted_proxies.clone(),
            max_body_bytes: config.listen.max_body_bytes.0,
            max_header_bytes: config.listen.max_header_bytes.as_usize(),
            max_headers: config.listen.max_headers as usize,
            max_object_bytes: config.cache.max_object_bytes.0,
            absent,
        })
    }

    /// Stores no answers above this, for a host whose store takes no more.
    pub fn limit_objects(&mut self, bytes: u64) {
        self.max_object_bytes = self.max_object_bytes.min(bytes);
    }

    /// What routes name and this host does not have: service components, and folders of files. Their
    /// routes answer 501.
    #[must_use]
    pub fn absent(&self) -> &[String] {
        &self.absent
    }
}

/// The name of a component's file, without its ending: what says which policy it is.
fn file_of(config: &Config, component: &str) -> String {
    let path = config.components.get(component).map(|found| &found.path);
    let stem = path.and_then(|path| path.file_stem());
    stem.map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

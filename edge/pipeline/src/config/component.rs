//! `[components.<name>]`: a component's file and the limits it runs in.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::error::{ConfigError, Place};
use super::quantity::{self, Size};
use super::{ParseOptions, UpstreamConfig};
use crate::spin::Grants;

/// A component's file and the limits it runs in.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// The file.
    pub path: PathBuf,
    /// What it exports.
    pub kind: ComponentKind,
    /// Of one call; of a service: until the head of its answer.
    pub deadline: Duration,
    /// Per instance.
    pub memory: Size,
    /// At once, per worker thread.
    pub max_instances: u32,
    /// Calls before an instance is replaced.
    pub max_reuse: u32,
    /// Names of the upstreams that a service may ask.
    pub upstreams: Vec<String>,
    /// What it is given as a component of a Spin application; none: it is not one.
    pub spin: Option<Arc<Grants>>,
}

/// What a component exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ComponentKind {
    /// The world `zephyr:edge/filter`.
    Filter,
    /// `wasi:http` 0.2 or 0.3.
    Service,
}

impl ComponentKind {
    /// As the configuration writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Service => "service",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ComponentFile {
    path: String,
    kind: ComponentKind,
    #[serde(default = "deadline", deserialize_with = "quantity::positive")]
    deadline: Duration,
    #[serde(default = "memory")]
    memory: Size,
    #[serde(default = "max_instances", deserialize_with = "quantity::at_least_one")]
    max_instances: u32,
    #[serde(default = "max_reuse", deserialize_with = "quantity::at_least_one")]
    max_reuse: u32,
    #[serde(default)]
    upstreams: Vec<Spanned<String>>,
}

fn deadline() -> Duration {
    Duration::from_millis(50)
}

fn memory() -> Size {
    Size::mib(16)
}

fn max_instances() -> u32 {
    64
}

fn max_reuse() -> u32 {
    100_000
}

impl ComponentFile {
    pub(super) fn check(
        self,
        place: &Place<'_>,
        options: &ParseOptions,
        upstreams: &BTreeMap<String, UpstreamConfig>,
    ) -> Result<Component, ConfigError> {
        for name in &self.upstreams {
            if !upstreams.contains_key(name.get_ref()) {
                let message = format!("there is no upstream {:?}", name.get_ref());
                return Err(place.at(name.span(), message));
            }
            if self.kind == ComponentKind::Filter {
                return Err(place.at(name.span(), "a filter has no upstreams; only a service has"));
            }
        }
        let path = match self.path.strip_prefix("$components") {
            Some(rest) => options.components_dir.join(rest.trim_start_matches('/')),
            None => options.base_dir.join(&self.path),
        };
        Ok(Component {
            path,
            kind: self.kind,
            deadline: self.deadline,
            memory: self.memory,
            max_instances: self.max_instances,
            max_reuse: self.max_reuse,
            upstreams: self
                .upstreams
                .into_iter()
                .map(Spanned::into_inner)
                .collect(),
            spin: None,
        })
    }
}

//! `[[routes]]` and `[[routes.stages]]`: which requests go where, and through which filters.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::error::{ConfigError, Place};
use super::{Component, ComponentKind, UpstreamConfig, is_name};
use crate::router::{HostPattern, PathPattern, Table};
use crate::spin::SpinRoute;

/// Which requests go where, and through which filters.
#[derive(Clone, Debug)]
pub struct Route {
    /// The name in logs, metrics and filters.
    pub name: String,
    /// Hosts it answers for.
    pub hosts: Vec<HostPattern>,
    /// Paths it answers for.
    pub paths: Vec<PathPattern>,
    /// Who answers.
    pub target: Target,
    /// Whether the shared cache stands before the target: before an upstream it does, unless the file
    /// says otherwise; before a service it does not.
    pub cache: bool,
    /// The filters, in order.
    pub stages: Vec<Stage>,
    /// The trigger of a Spin application that it stands for, if it does.
    pub spin: Option<SpinRoute>,
}

/// Who answers the requests of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The upstream of this name.
    Upstream(String),
    /// The service component of this name.
    Service(String),
}

/// A filter in a route's pipeline.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The component's name.
    pub filter: String,
    /// What happens to a request when the filter fails.
    pub on_error: OnError,
    /// The stage's configuration, handed to the filter as JSON.
    pub config: serde_json::Value,
    /// Where the stage stands in the file: line and column.
    pub position: (usize, usize),
}

/// What happens to a request when a filter traps, runs out of time or memory, or is saturated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// It gets 500 or 503.
    #[default]
    Closed,
    /// It goes on without the filter.
    Open,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteFile {
    name: Spanned<String>,
    #[serde(default = "every_host")]
    hosts: Vec<HostPattern>,
    paths: Vec<PathPattern>,
    upstream: Option<Spanned<String>>,
    service: Option<Spanned<String>>,
    cache: Option<bool>,
    #[serde(default)]
    stages: Vec<Spanned<StageFile>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StageFile {
    filter: Spanned<String>,
    #[serde(default)]
    on_error: OnError,
    #[serde(default)]
    config: toml::Table,
}

fn every_host() -> Vec<HostPattern> {
    vec![HostPattern::Any]
}

/// At most so many filters a route: each costs every request.
const MAX_STAGES: usize = 16;

pub(super) fn check_all(
    place: &Place<'_>,
    files: Vec<Spanned<RouteFile>>,
    upstreams: &BTreeMap<String, UpstreamConfig>,
    components: &BTreeMap<String, Component>,
) -> Result<Vec<Route>, ConfigError> {
    let mut names = BTreeSet::new();
    let mut table = Table::default();
    let mut routes = Vec::with_capacity(files.len());
    for (index, file) in files.into_iter().enumerate() {
        let span = file.span();
        let file = file.into_inner();
        let name_span = file.name.span();
        let route = check(place, span, file, upstreams, components)?;
        if !names.insert(route.name.clone()) {
            let message = format!("there are two routes named {:?}", route.name);
            return Err(place.at(name_span, message));
        }
        table
            .insert(&route.hosts, &route.paths, index)
            .map_err(|why| place.at(name_span, format!("route {:?}: {why}", route.name)))?;
        routes.push(route);
    }
    Ok(routes)
}

fn check(
    place: &Place<'_>,
    span: Range<usize>,
    file: RouteFile,
    upstreams: &BTreeMap<String, UpstreamConfig>,
    components: &BTreeMap<String, Component>,
) -> Result<Route, ConfigError> {
    let name = file.name.get_ref();
    if !is_name(name) {
        let message = format!(
            "the route name {name:?} must be 1 to 64 lower-case letters, digits, `-` or `_`"
        );
        return Err(place.at(file.name.span(), message));
    }
    for (key, empty) in [
        ("hosts", file.hosts.is_empty()),
        ("paths", file.paths.is_empty()),
    ] {
        if empty {
            return Err(place.at(span, format!("route {name:?} has no `{key}`")));
        }
    }
    let target = match (file.upstream, file.service) {
        (Some(upstream), None) => {
            if !upstreams.contains_key(upstream.get_ref()) {
                let message = format!("there is no upstream {:?}", upstream.get_ref());
                return Err(place.at(upstream.span(), message));
            }
            Target::Upstream(upstream.into_inner())
        }
        (None, Some(service)) => {
            component_of(place, &service, ComponentKind::Service, components)?;
            Target::Service(service.into_inner())
        }
        (Some(_), Some(service)) => {
            let message = format!("route {name:?} has both `upstream` and `service`");
            return Err(place.at(service.span(), message));
        }
        (None, None) => {
            let message = format!("route {name:?} has neither `upstream` nor `service`");
            return Err(place.at(span, message));
        }
    };
    if file.stages.len() > MAX_STAGES {
        let message = format!("route {name:?} has more than {MAX_STAGES} stages");
        return Err(place.at(file.stages[MAX_STAGES].span(), message));
    }
    let stages = file
        .stages
        .into_iter()
        .map(|stage| check_stage(place, stage, components))
        .collect::<Result<_, _>>()?;
    let name = file.name.into_inner();
    Ok(Route {
        name,
        hosts: file.hosts,
        paths: file.paths,
        // The upstream's own fields say what may be stored (RFC 9111); what a component says of that
        // is asked for.
        cache: file.cache.unwrap_or(matches!(target, Target::Upstream(_))),
        target,
        stages,
        spin: None,
    })
}

fn check_stage(
    place: &Place<'_>,
    stage: Spanned<StageFile>,
    components: &BTreeMap<String, Component>,
) -> Result<Stage, ConfigError> {
    let span = stage.span();
    let stage = stage.into_inner();
    component_of(place, &stage.filter, ComponentKind::Filter, components)?;
    let config = serde_json::to_value(stage.config)
        .map_err(|error| place.at(span.clone(), format!("`config` cannot be JSON: {error}")))?;
    Ok(Stage {
        filter: stage.filter.into_inner(),
        on_error: stage.on_error,
        config,
        position: place.at(span, "").position.unwrap_or((1, 1)),
    })
}

fn component_of(
    place: &Place<'_>,
    name: &Spanned<String>,
    kind: ComponentKind,
    components: &BTreeMap<String, Component>,
) -> Result<(), ConfigError> {
    let asked = name.get_ref();
    match components.get(asked) {
        None => Err(place.at(name.span(), format!("there is no component {asked:?}"))),
        Some(component) if component.kind != kind => {
            let (is, must) = (component.kind.as_str(), kind.as_str());
            let message = format!("the component {asked:?} is a {is}; it must be a {must} here");
            Err(place.at(name.span(), message))
        }
        Some(_) => Ok(()),
    }
}

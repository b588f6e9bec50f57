//! `[[routes]]` and `[[routes.stages]]`: which requests go where, and through which filters.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::error::{ConfigError, Place};
use super::{
    Component, ComponentKind, Dictionary, Files, Http2, ParseOptions, UpstreamConfig, is_name,
};
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
    /// Whether answers are compressed.
    pub compress: bool,
    /// Which answers are dictionaries for later ones, if any may be.
    pub dictionary: Option<Dictionary>,
    /// Protocols to which a client may switch through the upstream, in lower case.
    pub upgrade: Vec<String>,
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
    /// Files of a folder.
    Files(Box<Files>),
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
    files: Option<Spanned<Files>>,
    #[serde(default)]
    compress: bool,
    dictionary: Option<Spanned<Dictionary>>,
    upgrade: Option<Spanned<Vec<String>>>,
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
    config: serde_json::Map<String, serde_json::Value>,
}

fn every_host() -> Vec<HostPattern> {
    vec![HostPattern::Any]
}

/// At most so many filters a route: each costs every request.
const MAX_STAGES: usize = 16;

pub(super) fn check_all(
    place: &Place<'_>,
    files: Vec<Spanned<RouteFile>>,
    options: &ParseOptions,
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
        let route = check(place, span, file, options, upstreams, components)?;
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
    options: &ParseOptions,
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
    let target = match (file.upstream, file.service, file.files) {
        (Some(upstream), None, None) => {
            if !upstreams.contains_key(upstream.get_ref()) {
                let message = format!("there is no upstream {:?}", upstream.get_ref());
                return Err(place.at(upstream.span(), message));
            }
            Target::Upstream(upstream.into_inner())
        }
        (None, Some(service), None) => {
            component_of(place, &service, ComponentKind::Service, components)?;
            Target::Service(service.into_inner())
        }
        (None, None, Some(files)) => {
            let span = files.span();
            let files = files.into_inner().check(&options.base_dir);
            Target::Files(Box::new(files.map_err(|why| place.at(span, why))?))
        }
        (None, None, None) => {
            let message = format!("route {name:?} has none of `upstream`, `service` and `files`");
            return Err(place.at(span, message));
        }
        (upstream, service, files) => {
            // The last of them is the one too many.
            let spans = [
                upstream.map(|upstream| upstream.span()),
                service.map(|service| service.span()),
                files.map(|files| files.span()),
            ];
            let last = spans.into_iter().flatten().max_by_key(|span| span.start);
            let message =
                format!("route {name:?} has more than one of `upstream`, `service` and `files`");
            return Err(place.at(last.unwrap_or(span), message));
        }
    };
    if let Some(dictionary) = &file.dictionary {
        let at = |why: String| place.at(dictionary.span(), why);
        dictionary.get_ref().check().map_err(at)?;
        if !file.compress {
            return Err(at(format!(
                "route {name:?} has a `dictionary` and not `compress = true`"
            )));
        }
    }
    let upgrade = check_upgrade(place, file.upgrade, &target, upstreams)?;
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
        compress: file.compress,
        dictionary: file.dictionary.map(Spanned::into_inner),
        upgrade,
        stages,
        spin: None,
    })
}

/// WebSocket where nothing else is said, on routes whose upstream can switch protocols at all.
fn check_upgrade(
    place: &Place<'_>,
    asked: Option<Spanned<Vec<String>>>,
    target: &Target,
    upstreams: &BTreeMap<String, UpstreamConfig>,
) -> Result<Vec<String>, ConfigError> {
    let can = match target {
        Target::Upstream(name) => upstreams
            .get(name)
            .is_some_and(|upstream| upstream.http2 != Http2::Yes),
        Target::Service(_) | Target::Files(_) => false,
    };
    let Some(asked) = asked else {
        let websocket = can.then(|| "websocket".to_owned());
        return Ok(websocket.into_iter().collect());
    };
    let (span, asked) = (asked.span(), asked.into_inner());
    if !can && !asked.is_empty() {
        let message = "`upgrade` needs an upstream that is asked over HTTP/1.1";
        return Err(place.at(span, message));
    }
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._+/".contains(&byte);
    for protocol in &asked {
        let lower = protocol.bytes().all(|byte| !byte.is_ascii_uppercase());
        // Each of these is HTTP itself, past all that the node checks.
        let http = ["h2", "h2c", "http/1.0", "http/1.1", "http/2.0", "tls/1.0"];
        if protocol.is_empty()
            || !protocol.bytes().all(is_token)
            || !lower
            || http.contains(&protocol.as_str())
        {
            let message =
                format!("{protocol:?} is not a protocol to switch to, in lower-case letters");
            return Err(place.at(span, message));
        }
    }
    Ok(asked)
}

fn check_stage(
    place: &Place<'_>,
    stage: Spanned<StageFile>,
    components: &BTreeMap<String, Component>,
) -> Result<Stage, ConfigError> {
    let span = stage.span();
    let stage = stage.into_inner();
    component_of(place, &stage.filter, ComponentKind::Filter, components)?;
    Ok(Stage {
        filter: stage.filter.into_inner(),
        on_error: stage.on_error,
        config: serde_json::Value::Object(stage.config),
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

//! Loads components and configures their stages. Everything that can be wrong with a component is
//! found here, before the node takes a request.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use zephyr_content::files::Files;

use crate::config::{Component, ComponentKind, Config, Target as TargetConfig};
use crate::content::{self, Coder, Compress};
use crate::generation::Generation;
use crate::pipeline::{LoadedComponent, Route, Stage, Target};
use crate::upstream::{Upstream, UpstreamOutbound};
use crate::wasm::{self, FilterComponent, FilterStage, Limits, Runtime};

/// A component file above this is refused unread.
const MAX_FILE: u64 = 64 << 20;

/// Loads all components of a configuration. Takes seconds when they are not compiled yet. One whose
/// file and limits are as in `previous`, a generation of the same runtime, stays loaded.
pub(crate) fn components(
    config: &Config,
    runtime: &Arc<Runtime>,
    previous: Option<&Generation>,
) -> anyhow::Result<Vec<LoadedComponent>> {
    config
        .components
        .iter()
        .map(|(name, component)| {
            let path = component.path.display();
            let what = || format!("component {name:?} ({path})");
            let size = std::fs::metadata(&component.path).with_context(what)?.len();
            anyhow::ensure!(size <= MAX_FILE, "{}: {size} bytes are too many", what());
            let bytes = std::fs::read(&component.path).with_context(what)?;
            if let Some(loaded) = unchanged(previous, name, component, &bytes) {
                return Ok(loaded);
            }
            let limits = Limits {
                deadline: component.deadline,
                memory: component.memory.as_usize(),
                max_instances: component.max_instances as usize,
                max_reuse: component.max_reuse as usize,
            };
            Ok(match component.kind {
                ComponentKind::Filter => LoadedComponent::Filter(
                    runtime
                        .load_filter(name, &bytes, limits)
                        .with_context(what)?,
                ),
                ComponentKind::Service if let Some(grants) = &component.spin => {
                    LoadedComponent::Service(
                        runtime
                            .load_spin_service(name, &bytes, limits, grants)
                            .with_context(what)?,
                    )
                }
                ComponentKind::Service => {
                    let outbound = Arc::new(UpstreamOutbound::new(component.upstreams.clone()));
                    LoadedComponent::Service(
                        runtime
                            .load_service(name, &bytes, limits, outbound)
                            .with_context(what)?,
                    )
                }
            })
        })
        .collect()
}

/// The component as it is loaded already, if nothing about it has changed.
fn unchanged(
    previous: Option<&Generation>,
    name: &str,
    component: &Component,
    bytes: &[u8],
) -> Option<LoadedComponent> {
    let previous = previous?;
    let loaded = previous.components.iter().find(|c| c.name() == name)?;
    let same = previous.config.components.get(name) == Some(component)
        && loaded.sha256() == wasm::sha256(bytes);
    same.then(|| loaded.clone())
}

/// Makes the routes of a configuration over loaded components. A stage whose component and
/// configuration are as in `previous` keeps its instances.
pub(crate) fn routes(
    config: &Config,
    components: &[LoadedComponent],
    upstreams: &[Arc<Upstream>],
    coder: &Arc<Coder>,
    previous: Option<&Generation>,
) -> anyhow::Result<Vec<Route>> {
    let by_name: HashMap<&str, &LoadedComponent> = components
        .iter()
        .map(|component| (component.name(), component))
        .collect();
    config
        .routes
        .iter()
        .map(|route| {
            let target = match &route.target {
                TargetConfig::Upstream(name) => {
                    let found = upstreams
                        .iter()
                        .position(|upstream| *upstream.name == **name);
                    Target::Upstream(found.ok_or_else(|| anyhow!("no upstream {name:?}"))?)
                }
                TargetConfig::Service(name) => match by_name.get(name.as_str()) {
                    Some(LoadedComponent::Service(service)) => Target::Service(Arc::clone(service)),
                    _ => return Err(anyhow!("no service component {name:?}")),
                },
                TargetConfig::Files(files) => {
                    let options = content::options(files, route.compress);
                    Target::Files(Files::new(options))
                }
            };
            let stages = route
                .stages
                .iter()
                .map(|stage| {
                    let Some(LoadedComponent::Filter(component)) = by_name.get(&*stage.filter)
                    else {
                        return Err(anyhow!("no filter component {:?}", stage.filter));
                    };
                    let config_json = stage.config.to_string();
                    let filter = match known_stage(previous, component, &config_json) {
                        Some(filter) => filter,
                        None => Arc::new(component.stage(&config_json).with_context(|| {
                            let (line, column) = stage.position;
                            format!("{}:{line}:{column}: route {:?}", config.file, route.name)
                        })?),
                    };
                    Ok(Stage {
                        phases: filter.phases(),
                        filter,
                        on_error: stage.on_error,
                    })
                })
                .collect::<anyhow::Result<_>>()?;
            let compress = route
                .compress
                .then(|| Compress::new(coder, route.dictionary.as_ref()));
            let loaded = Route::new(&route.name, target, route.cache, stages);
            Ok(loaded
                .with_compress(compress)
                .with_upgrade(&route.upgrade)
                .with_spin(route.spin.clone()))
        })
        .collect()
}

/// A stage that runs already with this component and configuration.
fn known_stage(
    previous: Option<&Generation>,
    component: &Arc<FilterComponent>,
    config_json: &str,
) -> Option<Arc<FilterStage>> {
    let stages = previous?.routes.iter().flat_map(|route| &route.stages);
    stages
        .map(|stage| &stage.filter)
        .find(|filter| {
            Arc::ptr_eq(filter.component(), component) && filter.config_json() == config_json
        })
        .cloned()
}

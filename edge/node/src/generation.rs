//! What a configuration becomes: routes, components and upstreams, ready to take requests. A reload
//! makes the next generation beside the running one and takes over what has not changed; requests
//! in flight end on the one they began on, which goes with its last request.
//!
//! What lives as long as the node (cache, counters, connections, back ends of filters) stands in
//! [`crate::shared`].

use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context as _;

use crate::capability::Capabilities;
use crate::config::{ComponentKind, Config, Target};
use crate::content::Coder;
use crate::pipeline::{LoadedComponent, Route};
use crate::router::Table;
use crate::upstream::Upstream;
use crate::wasm::{PoolSize, Runtime, RuntimeOptions};
use crate::{load, upstream};

/// One configuration in force.
#[derive(Debug)]
pub(crate) struct Generation {
    /// 1 at the start, one more after each reload.
    pub(crate) number: u64,
    pub(crate) loaded_at: SystemTime,
    pub(crate) config: Config,
    pub(crate) table: Table,
    /// In the order of the configuration, as the table numbers them.
    pub(crate) routes: Vec<Route>,
    pub(crate) components: Vec<LoadedComponent>,
    pub(crate) upstreams: Vec<Arc<Upstream>>,
    coder: Arc<Coder>,
    runtime: Arc<Runtime>,
    room: Room,
}

/// What every generation of a node is made over.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    pub(crate) capabilities: Capabilities,
    /// Worker threads.
    pub(crate) threads: usize,
}

impl Generation {
    /// Loads and configures everything that a configuration names; what is as it was in `previous`
    /// is that one's. Compiling takes seconds: not for a worker.
    ///
    /// # Errors
    ///
    /// The first thing that cannot be had, by name. `previous` is as it was.
    pub(crate) fn load(
        config: Config,
        base: &Base,
        previous: Option<&Self>,
    ) -> anyhow::Result<Self> {
        let room = Room::of(&config, base.threads);
        let (runtime, room) = match previous {
            Some(previous) if room.fits_in(previous.room) => {
                (Arc::clone(&previous.runtime), previous.room)
            }
            _ => {
                let mut options = RuntimeOptions::new(base.capabilities.clone());
                options.cache_dir = Some(config.node.data_dir.join("compiled"));
                (options.filters, options.services) = (room.filters, room.services);
                let started = Runtime::new(options);
                (
                    started.context("the component host cannot be started")?,
                    room,
                )
            }
        };
        let same_runtime = previous.filter(|previous| Arc::ptr_eq(&previous.runtime, &runtime));
        let running = previous.map(|old| (&old.config.dns, &old.upstreams[..]));
        let upstreams = upstream::start(&config, running)?;
        let components = load::components(&config, &runtime, same_runtime)?;
        let running = previous.map(|old| (&old.config.compression, &old.coder));
        let coder = Coder::after(running, &config.compression);
        let routes = load::routes(&config, &components, &upstreams, &coder, same_runtime)?;
        let mut table = Table::default();
        for (index, route) in config.routes.iter().enumerate() {
            table
                .insert(&route.hosts, &route.paths, index)
                .map_err(anyhow::Error::msg)?;
        }
        Ok(Self {
            number: previous.map_or(1, |previous| previous.number + 1),
            loaded_at: SystemTime::now(),
            config,
            table,
            routes,
            components,
            upstreams,
            coder,
            runtime,
            room,
        })
    }
}

/// Room for instances, by kind.
#[derive(Clone, Copy, Debug)]
struct Room {
    filters: PoolSize,
    services: PoolSize,
}

impl Room {
    /// Room for all instances that can be busy at once, twice: after a reload the old generation
    /// ends its requests beside the new one.
    fn of(config: &Config, threads: usize) -> Self {
        let stages = |name: &str| {
            let stages = config.routes.iter().flat_map(|route| &route.stages);
            stages.filter(|stage| stage.filter == name).count()
        };
        let targets = |name: &str| {
            let is = |target: &Target| matches!(target, Target::Service(s) if s == name);
            usize::from(config.routes.iter().any(|route| is(&route.target)))
        };
        Self {
            filters: room_of(config, ComponentKind::Filter, threads, &stages),
            services: room_of(config, ComponentKind::Service, threads, &targets),
        }
    }

    fn fits_in(self, other: Self) -> bool {
        let fits = |a: PoolSize, b: PoolSize| a.instances <= b.instances && a.memory <= b.memory;
        fits(self.filters, other.filters) && fits(self.services, other.services)
    }
}

/// Instances that wasmtime is asked to set addresses aside for, at most.
const MAX_INSTANCES: u32 = 10_000;

fn room_of(
    config: &Config,
    kind: ComponentKind,
    threads: usize,
    users: &dyn Fn(&str) -> usize,
) -> PoolSize {
    let none = PoolSize {
        instances: 2,
        memory: 1 << 20,
    };
    let of_kind = config.components.iter().filter(|(_, c)| c.kind == kind);
    of_kind.fold(none, |size, (name, component)| {
        let busy = users(name) * threads * component.max_instances as usize;
        let busy = u32::try_from(busy * 2 + 2).unwrap_or(u32::MAX);
        PoolSize {
            instances: size.instances.saturating_add(busy).min(MAX_INSTANCES),
            memory: size.memory.max(component.memory.as_usize()),
        }
    })
}

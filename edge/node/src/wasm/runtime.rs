//! The engines and what all components share.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use wasmtime::Engine;
use wasmtime::component::Component;

use super::aot::{AotCache, AotStats};
use super::engine::Engines;
use super::filter::{self, FilterLinker};
use super::inspect::{self, Kind};
use super::service::{self, Access, ServiceLinker, SpinAccess};
use super::{
    FilterComponent, Limits, LoadError, Outbound, PoolSize, RuntimeError, ServiceComponent,
};
use crate::capability::Capabilities;
use crate::spin::{Grants, SpinOutbound};

/// What a [`Runtime`] is made of.
#[derive(Debug)]
pub struct RuntimeOptions {
    /// Where compiled components are kept; none: nowhere. Only the node's own user may be able to
    /// write there: what stands there is run.
    pub cache_dir: Option<PathBuf>,
    /// What filters may ask of the node.
    pub capabilities: Capabilities,
    /// Room for filters. An instance stays after its call, so there are at most as many as calls
    /// were ever busy at once: stages x threads is the least, x `max_instances` the most.
    pub filters: PoolSize,
    /// Room for services.
    pub services: PoolSize,
}

impl RuntimeOptions {
    /// The default room, with these capabilities.
    #[must_use]
    pub fn new(capabilities: Capabilities) -> Self {
        Self {
            cache_dir: None,
            capabilities,
            filters: PoolSize {
                instances: 1000,
                memory: 16 << 20,
            },
            services: PoolSize {
                instances: 100,
                memory: 128 << 20,
            },
        }
    }
}

/// The component host of a node: engines, their deadline thread, compiled components.
pub struct Runtime {
    engines: Arc<Engines>,
    aot: AotCache,
    filters: FilterLinker,
    services: ServiceLinker,
    /// With the interfaces that only components of Spin applications get.
    spin: ServiceLinker,
    options: RuntimeOptions,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Runtime {
    /// Starts the engines.
    ///
    /// # Errors
    ///
    /// [`RuntimeError`].
    pub fn new(options: RuntimeOptions) -> Result<Arc<Self>, RuntimeError> {
        let engines = Arc::new(Engines::new(options.filters, options.services)?);
        Ok(Arc::new(Self {
            aot: AotCache::open(options.cache_dir.clone())?,
            filters: filter::linker(&engines.filters).map_err(RuntimeError::Engine)?,
            services: service::linker(&engines.services).map_err(RuntimeError::Engine)?,
            spin: service::spin_linker(&engines.services).map_err(RuntimeError::Engine)?,
            engines,
            options,
        }))
    }

    /// How often compiled components were found on disk.
    pub fn aot_stats(&self) -> AotStats {
        self.aot.stats()
    }

    /// Checks and compiles a filter. Takes seconds when it is not in the cache: not for a worker.
    ///
    /// # Errors
    ///
    /// [`LoadError`].
    pub fn load_filter(
        self: &Arc<Self>,
        name: &str,
        bytes: &[u8],
        limits: Limits,
    ) -> Result<Arc<FilterComponent>, LoadError> {
        check_limits(name, limits, self.options.filters)?;
        let (component, sha256) = self.load(name, bytes, &self.engines.filters, Kind::Filter)?;
        let capabilities = &self.options.capabilities;
        let (linker, engines) = (&self.filters, &self.engines);
        let filter = FilterComponent::new(
            name,
            sha256,
            &component,
            linker,
            capabilities,
            limits,
            engines,
        )?;
        Ok(Arc::new(filter))
    }

    /// Checks and compiles a service, and makes one instance. Takes seconds when it is not in the
    /// cache: not for a worker.
    ///
    /// # Errors
    ///
    /// [`LoadError`].
    pub fn load_service(
        self: &Arc<Self>,
        name: &str,
        bytes: &[u8],
        limits: Limits,
        outbound: Arc<dyn Outbound>,
    ) -> Result<Arc<ServiceComponent>, LoadError> {
        check_limits(name, limits, self.options.services)?;
        let (component, sha256) = self.load(name, bytes, &self.engines.services, Kind::Service)?;
        let (linker, engines) = (&self.services, &self.engines);
        let access = Access {
            outbound,
            spin: None,
        };
        let service =
            ServiceComponent::new(name, sha256, &component, linker, limits, access, engines)?;
        Ok(Arc::new(service))
    }

    /// As [`Runtime::load_service`], for a component of a Spin application: it is linked with Spin's
    /// interfaces, and gets of them what it was granted.
    ///
    /// # Errors
    ///
    /// [`LoadError`].
    pub fn load_spin_service(
        self: &Arc<Self>,
        name: &str,
        bytes: &[u8],
        limits: Limits,
        grants: &Arc<Grants>,
    ) -> Result<Arc<ServiceComponent>, LoadError> {
        check_limits(name, limits, self.options.services)?;
        let (component, sha256) = self.load(name, bytes, &self.engines.services, Kind::Spin)?;
        let (linker, engines) = (&self.spin, &self.engines);
        let access = Access {
            outbound: Arc::new(SpinOutbound(Arc::clone(grants))),
            spin: Some(SpinAccess {
                grants: Arc::clone(grants),
                kv: Arc::clone(&self.options.capabilities.kv),
            }),
        };
        let service =
            ServiceComponent::new(name, sha256, &component, linker, limits, access, engines)?;
        Ok(Arc::new(service))
    }

    fn load(
        &self,
        name: &str,
        bytes: &[u8],
        engine: &Engine,
        kind: Kind,
    ) -> Result<(Component, String), LoadError> {
        inspect::check_bytes(name, bytes)?;
        let sha256 = inspect::sha256(bytes);
        let component =
            self.aot
                .load(engine, bytes, &sha256)
                .map_err(|cause| LoadError::Invalid {
                    name: name.to_owned(),
                    cause,
                })?;
        inspect::check_imports(name, &component, engine, kind)?;
        Ok((component, sha256))
    }
}

fn check_limits(name: &str, limits: Limits, pool: PoolSize) -> Result<(), LoadError> {
    let refuse = |reason| {
        Err(LoadError::Limits {
            name: name.to_owned(),
            reason,
        })
    };
    if limits.memory > pool.memory {
        let (memory, room) = (limits.memory, pool.memory);
        return refuse(format!(
            "memory of {memory} bytes is more than the {room} set aside"
        ));
    }
    if limits.max_instances == 0 || limits.max_reuse == 0 || limits.deadline.is_zero() {
        return refuse("deadline, max_instances and max_reuse must be at least 1".to_owned());
    }
    Ok(())
}

//! The engines and what all components share.

use std::path::PathBuf;
use std::sync::Arc;

use super::{
    FilterComponent, Limits, LoadError, Outbound, PoolSize, RuntimeError, ServiceComponent,
};
use crate::capability::Capabilities;

/// What a [`Runtime`] is made of.
#[derive(Debug)]
pub struct RuntimeOptions {
    /// Where compiled components are kept; none: nowhere.
    pub cache_dir: Option<PathBuf>,
    /// What filters may ask of the node.
    pub capabilities: Capabilities,
    /// Room for filters: at least the sum over stages of threads x `max_instances` that can be busy.
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
#[derive(Debug)]
pub struct Runtime {
    _options: RuntimeOptions,
}

impl Runtime {
    /// Starts the engines.
    ///
    /// # Errors
    ///
    /// [`RuntimeError`].
    pub fn new(options: RuntimeOptions) -> Result<Arc<Self>, RuntimeError> {
        Ok(Arc::new(Self { _options: options }))
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
        let _ = (bytes, limits);
        Err(LoadError::NotWasm {
            name: name.to_owned(),
        })
    }

    /// Checks and compiles a service. Takes seconds when it is not in the cache: not for a worker.
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
        let _ = (bytes, limits, outbound);
        Err(LoadError::NotWasm {
            name: name.to_owned(),
        })
    }
}

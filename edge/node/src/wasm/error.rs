//! Why a runtime cannot start, a component is refused, or a call fails.

use std::path::PathBuf;

/// Why the runtime cannot start.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The engine refused its configuration, or its address space could not be reserved.
    #[error("the component engine cannot start: {0:#}")]
    Engine(wasmtime::Error),
    /// The folder for compiled components cannot be used.
    #[error("the folder for compiled components {path} cannot be used: {source}", path = path.display())]
    CacheDir {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The thread that advances deadlines cannot be started.
    #[error("the deadline thread cannot start: {0}")]
    Ticker(std::io::Error),
}

/// Why a component, or a stage of it, is refused.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file is larger than a component may be.
    #[error("component {name}: {size} bytes are more than the {limit} allowed")]
    TooLarge {
        /// The component's name.
        name: String,
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The bytes are not WebAssembly.
    #[error("component {name}: not a WebAssembly file")]
    NotWasm {
        /// The component's name.
        name: String,
    },
    /// The bytes are a core module.
    #[error(
        "component {name}: a core module, not a component; build it with --target wasm32-wasip2"
    )]
    CoreModule {
        /// The component's name.
        name: String,
    },
    /// The component imports what its world does not name.
    #[error("component {name}: imports `{import}`, which is not given to {kind}")]
    Import {
        /// The component's name.
        name: String,
        /// The import.
        import: String,
        /// "filters" or "services".
        kind: &'static str,
    },
    /// The component does not validate or compile.
    #[error("component {name}: {cause:#}")]
    Invalid {
        /// The component's name.
        name: String,
        /// What the compiler says.
        cause: wasmtime::Error,
    },
    /// The component's imports or exports do not have the world's shape.
    #[error("component {name}: does not fit the world {world}: {cause:#}")]
    World {
        /// The component's name.
        name: String,
        /// The world.
        world: &'static str,
        /// What does not fit.
        cause: wasmtime::Error,
    },
    /// The limits of the component cannot be kept.
    #[error("component {name}: {reason}")]
    Limits {
        /// The component's name.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The filter refused its configuration.
    #[error("component {name}: refuses its configuration: {reason}")]
    Configuration {
        /// The component's name.
        name: String,
        /// The filter's own words.
        reason: String,
    },
    /// The first instance failed.
    #[error("component {name}: its first instance failed: {cause}")]
    Start {
        /// The component's name.
        name: String,
        /// How.
        cause: StageError,
    },
}

/// Why a call failed. The instance in it is gone; the exchange is not.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The guest trapped.
    #[error("trapped: {0}")]
    Trap(String),
    /// The call took longer than its deadline.
    #[error("did not finish within its deadline of {} ms", .0.as_millis())]
    Deadline(std::time::Duration),
    /// The guest needed more memory than its limit.
    #[error("needed more than its {0} bytes of memory")]
    OutOfMemory(usize),
    /// No instance was free in time.
    #[error("all instances were busy")]
    Saturated,
    /// The guest answered with something that cannot be sent.
    #[error("answered with an invalid reply: {0}")]
    InvalidReply(String),
    /// No instance could be made.
    #[error("could not be instantiated: {0}")]
    Instantiate(String),
    /// A service answered with an error of its own (`wasi:http` error code).
    #[error("failed: {0}")]
    Service(String),
}

impl zephyr_edge_pipeline::stages::Failure for StageError {
    fn is_saturated(&self) -> bool {
        matches!(self, Self::Saturated)
    }
}

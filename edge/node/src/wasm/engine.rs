//! The two engines of a node, and the thread that moves their epochs on.
//!
//! Filters have an engine of their own without the component model's concurrency: a call then costs
//! two stack switches and no task bookkeeping. Services need concurrency for `wasi:http` 0.3.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wasmtime::{Config, Engine, EngineWeak, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::{PoolSize, RuntimeError};

/// How often the epoch moves. A guest that computes longer than this yields to other requests of
/// its thread, so it is also how long one guest can hold up the others.
pub(super) const TICK: Duration = Duration::from_millis(5);

/// Stack of a guest; a guest that needs more traps.
const GUEST_STACK: usize = 512 << 10;
/// Stack of a call, the host functions' part included. Only what is touched takes memory.
const CALL_STACK: usize = 1 << 20;

/// Core instances that one component may consist of: adapters and shims of the tool chain count.
const CORE_INSTANCES: u32 = 16;

/// Components that a service may be linked of: an application and middleware before it.
const LINKED: u32 = 4;

/// The engines, and their thread.
#[derive(Debug)]
pub(super) struct Engines {
    pub(super) filters: Engine,
    pub(super) services: Engine,
    _ticker: Ticker,
}

impl Engines {
    pub(super) fn new(filters: PoolSize, services: PoolSize) -> Result<Self, RuntimeError> {
        let filters = Engine::new(&config(filters, false)).map_err(RuntimeError::Engine)?;
        let services = Engine::new(&config(services, true)).map_err(RuntimeError::Engine)?;
        let ticker = Ticker::start(vec![filters.weak(), services.weak()])?;
        Ok(Self {
            filters,
            services,
            _ticker: ticker,
        })
    }
}

fn config(size: PoolSize, concurrency: bool) -> Config {
    let linked = if concurrency { LINKED } else { 1 };
    let core_instances = CORE_INSTANCES * linked;
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(size.instances)
        .total_core_instances(size.instances.saturating_mul(core_instances))
        .total_memories(size.instances.saturating_mul(linked))
        .total_tables(size.instances.saturating_mul(4 * linked))
        .total_stacks(
            size.instances
                .saturating_mul(if concurrency { 2 } else { 1 }),
        )
        .max_core_instances_per_component(core_instances)
        .max_memories_per_component(linked)
        .max_tables_per_component(4 * linked)
        .max_memory_size(size.memory)
        // A freed slot is reset by the copy-on-write image; what it touched goes back at once, so
        // that idle memory is the sum of live instances and nothing else.
        .linear_memory_keep_resident(0)
        .max_unused_warm_slots(16);

    let mut config = Config::new();
    config
        .concurrency_support(concurrency)
        .epoch_interruption(true)
        .max_wasm_stack(GUEST_STACK)
        .async_stack_size(CALL_STACK)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// Advances the epochs until it is dropped.
#[derive(Debug)]
struct Ticker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn start(engines: Vec<EngineWeak>) -> Result<Self, RuntimeError> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let run = move || {
            while !stopped.load(Ordering::Acquire) {
                thread::park_timeout(TICK);
                for engine in &engines {
                    if let Some(engine) = engine.upgrade() {
                        engine.increment_epoch();
                    }
                }
            }
        };
        let builder = thread::Builder::new().name("zephyr-epoch".to_owned());
        let thread = builder.spawn(run).map_err(RuntimeError::Ticker)?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It does nothing that can panic; and there is nobody to tell.
            drop(thread.join());
        }
    }
}

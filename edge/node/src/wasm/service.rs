//! Services: components that answer requests through `wasi:http` 0.2 or 0.3, unmodified.
//!
//! An instance has one request at a time. A request that finds all instances of its thread busy
//! waits for at most the deadline. Bodies stream in and out.

mod answer;
mod handler;
mod outgoing;
mod spin;
mod state;

use std::fmt;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::sync::{Arc, OnceLock};

use http::uri::{Authority, Scheme, Uri};
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use wasmtime::component::{Component, Linker};
use wasmtime_wasi_http::handler::{ExpirationError, InstantiationError, ProxyHandler, ProxyPre};
use wasmtime_wasi_http::{Error, p2, p3};

use self::answer::AnswerBody;
use self::handler::{Blueprint, GRACE, START, Workers};
pub(super) use self::spin::SpinAccess;
use self::state::{Flight, ServiceState, Ticket, Worker};
use super::engine::Engines;
use super::filter::thread_index;
use super::{Counters, Limits, LoadError, Outbound, StageError};
use crate::body::Body;
use crate::error::BoxError;

const WORLD: &str = "wasi:http/service@0.3.0 or wasi:http/proxy@0.2";

/// Threads that have instances of their own; more share.
const SLOTS: usize = 64;

pub(super) type ServiceLinker = Linker<ServiceState>;

/// What services link against.
pub(super) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<ServiceLinker> {
    let mut linker = Linker::new(engine);
    super::wasi::link_service(&mut linker)?;
    Ok(linker)
}

/// What components of Spin applications link against: the same, and Spin's own interfaces.
pub(super) fn spin_linker(engine: &wasmtime::Engine) -> wasmtime::Result<ServiceLinker> {
    let mut linker = linker(engine)?;
    spin::link(&mut linker)?;
    Ok(linker)
}

/// What a service may reach outside of itself.
pub(super) struct Access {
    pub(super) outbound: Arc<dyn Outbound>,
    /// Of a component of a Spin application.
    pub(super) spin: Option<SpinAccess>,
}

/// A compiled service and its instances. Shared by all workers.
pub struct ServiceComponent {
    sha256: String,
    blueprint: Arc<Blueprint>,
    slots: Box<[Slot]>,
}

/// One thread's part.
struct Slot {
    handler: OnceLock<ProxyHandler<Workers>>,
    permits: Arc<Semaphore>,
}

impl fmt::Debug for ServiceComponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sha256, blueprint, ..
        } = self;
        let name = &blueprint.name;
        f.debug_struct("ServiceComponent")
            .field("name", name)
            .field("sha256", sha256)
            .finish()
    }
}

impl ServiceComponent {
    pub(super) fn new(
        name: &str,
        sha256: String,
        component: &Component,
        linker: &ServiceLinker,
        limits: Limits,
        access: Access,
        engines: &Arc<Engines>,
    ) -> Result<Self, LoadError> {
        let misfit = |cause| LoadError::World {
            name: name.to_owned(),
            world: WORLD,
            cause,
        };
        let exports = component.component_type();
        let is_p3 = exports
            .exports(&engines.services)
            .any(|(export, _)| export.starts_with("wasi:http/handler@0.3."));
        let pre = linker.instantiate_pre(component).map_err(misfit)?;
        let pre = if is_p3 {
            p3::bindings::ServicePre::new(pre).map(ProxyPre::P3)
        } else {
            p2::bindings::ProxyPre::new(pre).map(ProxyPre::P2)
        };
        let blueprint = Arc::new(Blueprint {
            name: name.into(),
            engines: Arc::clone(engines),
            pre: pre.map_err(misfit)?,
            limits,
            access,
            counters: Arc::default(),
        });
        try_once(&blueprint)?;
        let slot = |_| Slot {
            handler: OnceLock::new(),
            permits: Arc::new(Semaphore::new(
                limits.max_instances.min(Semaphore::MAX_PERMITS),
            )),
        };
        Ok(Self {
            sha256,
            blueprint,
            slots: (0..SLOTS).map(slot).collect(),
        })
    }

    /// The name in the configuration.
    pub fn name(&self) -> &str {
        &self.blueprint.name
    }

    /// The SHA-256 of the component's bytes, in lower-case hex.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// What happened to its calls.
    pub fn counters(&self) -> &Counters {
        &self.blueprint.counters
    }

    /// Has the service answer a request. Must run inside a tokio runtime that lives as long as the
    /// answer's body. A request in origin form gets its authority from `host`.
    ///
    /// # Errors
    ///
    /// [`StageError`], when there is no head of an answer within the deadline. What goes wrong
    /// later is an error of the answer's body.
    pub async fn call(
        &self,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, StageError> {
        self.counters().calls.fetch_add(1, Relaxed);
        let slot = &self.slots[thread_index() % SLOTS];
        let Some(turn) = self.turn(slot).await else {
            return Err(self.failed(None, StageError::Saturated));
        };
        let handler = slot
            .handler
            .get_or_init(|| ProxyHandler::new(Workers(Arc::clone(&self.blueprint))));

        let flight = Flight::new(turn);
        let request = absolute(request).map(|body| body.map_err(incoming).boxed_unsync());
        let answer = handler.handle(flight.ticket(), request);
        // The instance has deadlines of its own; this one is for what they do not reach.
        let deadline = self.blueprint.limits.deadline;
        let answer = timeout(START + deadline + GRACE * 2, answer).await;
        let worker = flight.worker();
        match answer {
            Ok(Ok(response)) => {
                if let Some(worker) = &worker {
                    worker.expect_head_by(None);
                }
                Ok(response.map(|body| Body::stream(AnswerBody::new(body, flight))))
            }
            Ok(Err(error)) => {
                if let Some(code) = error_code(&error) {
                    // An answer of a kind: the instance is as good as before.
                    if let Some(worker) = &worker {
                        worker.expect_head_by(None);
                    }
                    return Err(self.failed(None, StageError::Service(code)));
                }
                let failure = if error.is::<ExpirationError>() {
                    StageError::Deadline(deadline)
                } else if let Some(error) = error.downcast_ref::<InstantiationError<Ticket>>() {
                    not_instantiated(&error.error)
                } else if let Some(worker) = &worker {
                    worker.failure(deadline, &error)
                } else {
                    StageError::Trap(error.root_cause().to_string())
                };
                Err(self.failed(worker.as_deref(), failure))
            }
            Err(_) => Err(self.failed(worker.as_deref(), StageError::Deadline(deadline))),
        }
    }

    /// Counts a failure, once, and gets rid of the instance that it happened in.
    fn failed(&self, worker: Option<&Worker>, failure: StageError) -> StageError {
        let counted = worker.is_some_and(|worker| worker.counted.swap(true, AcqRel));
        if !counted {
            self.counters().count(&failure);
        }
        if let Some(worker) = worker {
            worker.doom();
        }
        failure
    }

    async fn turn(&self, slot: &Slot) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&slot.permits).try_acquire_owned() {
            return Some(permit);
        }
        let wait = Arc::clone(&slot.permits).acquire_owned();
        timeout(self.blueprint.limits.deadline, wait)
            .await
            .ok()?
            .ok()
    }
}

/// Makes an instance and drops it, so that one that cannot be made is refused at once.
fn try_once(blueprint: &Blueprint) -> Result<(), LoadError> {
    let refused = |cause| LoadError::Start {
        name: blueprint.name.to_string(),
        cause,
    };
    let make = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| {
            StageError::Instantiate(format!("no runtime to try it in: {error}"))
        })?;
        let made = runtime.block_on(async { timeout(START + GRACE, blueprint.make()).await });
        match made {
            Ok(Ok((store, ..))) => {
                drop(store);
                blueprint.counters.live_instances.fetch_sub(1, Relaxed);
                Ok(())
            }
            Ok(Err(error)) => Err(not_instantiated(&error)),
            Err(_) => Err(StageError::Deadline(START)),
        }
    };
    match std::thread::scope(|scope| scope.spawn(make).join()) {
        Ok(made) => made.map_err(refused),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn not_instantiated(error: &wasmtime::Error) -> StageError {
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        StageError::Saturated
    } else {
        StageError::Instantiate(error.root_cause().to_string())
    }
}

/// The `wasi:http` error with which a service answered, if it did.
fn error_code(error: &wasmtime::Error) -> Option<String> {
    let p3 = error.downcast_ref::<p3::bindings::http::types::ErrorCode>();
    let p2 = error.downcast_ref::<p2::bindings::http::types::ErrorCode>();
    p3.map(|code| format!("{code:?}"))
        .or_else(|| p2.map(|code| format!("{code:?}")))
}

fn incoming(error: BoxError) -> Error {
    tracing::debug!(%error, "A request's body broke off");
    Error::ConnectionTerminated
}

/// Gives a request in origin form the scheme and authority that `wasi:http` has accessors for.
fn absolute(mut request: http::Request<Body>) -> http::Request<Body> {
    if request.uri().authority().is_none()
        && let Some(host) = request.headers().get(http::header::HOST)
        && let Ok(authority) = Authority::try_from(host.as_bytes())
    {
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.scheme.get_or_insert(Scheme::HTTP);
        parts.authority = Some(authority);
        if parts.path_and_query.is_none() {
            parts.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
        }
        // Scheme, authority and path together always make a URI.
        *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    }
    request
}

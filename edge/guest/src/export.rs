//! From the component's exports to the policy's methods.

use std::cell::OnceCell;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use zephyr_edge_core::Filter;

use crate::bindings::zephyr::edge::http_exchange::Exchange as Handle;
use crate::bindings::zephyr::edge::types;
use crate::exchange::GuestExchange;
use crate::host::NodeHost;

/// Holds the policy of an instance.
#[derive(Debug)]
pub struct Slot<F>(OnceCell<F>);

// A component instance runs on one thread, one call at a time.
#[expect(unsafe_code, reason = "a static must be Sync")]
// SAFETY: the world has no threads; nothing ever shares the slot.
unsafe impl<F> Sync for Slot<F> {}

impl<F: Filter> Slot<F> {
    /// A slot without a policy yet.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "only ever a static")]
    pub const fn new() -> Self {
        Self(OnceCell::new())
    }

    /// Makes the policy.
    ///
    /// # Errors
    ///
    /// What the policy says of the configuration.
    pub fn configure(&self, json: &str) -> Result<types::Phases, String> {
        let (policy, phases) = F::configure(json).map_err(|error| error.to_string())?;
        self.0
            .set(policy)
            .map_err(|_| "configured twice".to_owned())?;
        let mut flags = types::Phases::empty();
        flags.set(types::Phases::REQUEST, phases.request);
        flags.set(types::Phases::UPSTREAM, phases.upstream);
        flags.set(types::Phases::RESPONSE, phases.response);
        Ok(flags)
    }

    /// Calls the policy's `on_request`.
    pub fn on_request(&self, handle: &Handle) -> types::Verdict {
        verdict(ready(
            self.policy()
                .on_request(&mut GuestExchange(handle), &NodeHost),
        ))
    }

    /// Calls the policy's `on_upstream`.
    pub fn on_upstream(&self, handle: &Handle) -> types::Verdict {
        verdict(ready(
            self.policy()
                .on_upstream(&mut GuestExchange(handle), &NodeHost),
        ))
    }

    /// Calls the policy's `on_response`.
    pub fn on_response(&self, handle: &Handle) -> types::Verdict {
        verdict(ready(
            self.policy()
                .on_response(&mut GuestExchange(handle), &NodeHost),
        ))
    }

    fn policy(&self) -> &F {
        self.0
            .get()
            .expect("the node configures an instance before it calls it")
    }
}

/// Polls once: on a node every host call has returned by the time its future is polled.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("a policy waited for something that is not its host"),
    }
}

fn verdict(verdict: zephyr_edge_core::Verdict) -> types::Verdict {
    match verdict {
        zephyr_edge_core::Verdict::Next => types::Verdict::Next,
        zephyr_edge_core::Verdict::Reply(reply) => types::Verdict::Reply(types::Reply {
            status: reply.status,
            headers: reply.headers,
            body: reply.body,
        }),
    }
}

/// Exports a [`Filter`](zephyr_edge_core::Filter) as this crate's component.
#[macro_export]
macro_rules! export_filter {
    ($policy:ty) => {
        const _: () = {
            static POLICY: $crate::Slot<$policy> = $crate::Slot::new();

            struct Component;

            impl $crate::Guest for Component {
                fn configure(json: String) -> Result<$crate::types::Phases, String> {
                    POLICY.configure(&json)
                }
                fn on_request(x: &$crate::Handle) -> $crate::types::Verdict {
                    POLICY.on_request(x)
                }
                fn on_upstream(x: &$crate::Handle) -> $crate::types::Verdict {
                    POLICY.on_upstream(x)
                }
                fn on_response(x: &$crate::Handle) -> $crate::types::Verdict {
                    POLICY.on_response(x)
                }
            }

    $crate::bindings::__export_filter_world!(Component with_types_in $crate::bindings);
        };
    };
}

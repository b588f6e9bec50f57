//! An exchange and a host in memory, for the unit tests of policies (cargo feature `testing`).
//!
//! They keep every rule of `wit/filter.wit` (header rules, name spaces and bounds of keys, GCRA), so a
//! policy that passes here behaves the same on a node. Both count the calls made to them: on a node
//! each is a call from the guest to its host, which is what a filter costs.

mod exchange;
mod host;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

pub use exchange::TestExchange;
pub use host::{TestHost, Verifier};

/// Runs a policy's future to its end. Nothing in a test waits, so it is ready when it is polled
/// for the first time, as on a node.
///
/// # Panics
///
/// When the future is not ready.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the policy waited for something that is not its host"),
    }
}

//! The edge for hosts that link the policies in: Spin and Cloudflare Workers, and a host in memory
//! for tests. A host implements [`Platform`] and gives every request to [`Edge::answer`]; all
//! decisions are made here, in `edge/pipeline`, in `edge/cache` and in the policies, which are the
//! very crates that Zephyr's node runs as components.
//!
//! * [`platform`]: what a host must be able to do
//! * [`site`]: `zephyr.toml` for such a host: routes, and the policies of their stages
//! * [`edge`]: the way of a request
//! * [`cache`]: the shared cache over whatever the host can store in
//! * [`limits`]: counters of rate limits, for a host with one place that sees all requests
//! * [`control`]: what the origin's control plane says, taken in by polling
//!
//! Nothing here is `Send`: these hosts run one thread an instance.

pub mod cache;
pub mod control;
pub mod edge;
pub mod limits;
pub mod linked;
pub mod log;
pub mod platform;
pub mod site;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use edge::Edge;
pub use platform::{HostBody, Platform};
pub use site::Site;

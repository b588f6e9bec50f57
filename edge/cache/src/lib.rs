//! HTTP cache decisions (RFC 9111), without a cache: nothing here does I/O, holds a lock or reads a
//! clock. Time comes in as a value, so every rule can be tested and runs on every host.
//!
//! * [`key`]: which requests ask for the same thing (section 2)
//! * [`storable`]: may this answer be stored? (section 3)
//! * [`freshness`], [`age`], [`targeted`]: for how long is it fresh? (section 4.2, RFC 9213)
//! * [`reuse`], [`request`]: may a stored answer be given to this request? (section 4, RFC 5861)
//! * [`vary`]: is it the right one of several? (section 4.1)
//! * [`conditional`], [`range`]: what of it does the client want? (RFC 9110, sections 13 and 14)
//! * [`revalidate`]: how to ask the upstream, and what its answer changes (sections 4.3.1 to 4.3.4)
//! * [`invalidate`], [`groups`]: what does a write make stale? (section 4.4, RFC 9875)
//! * [`status`]: how to tell what was done (RFC 9211)

pub mod age;
pub mod cache_control;
pub mod conditional;
pub mod date;
pub mod freshness;
pub mod groups;
pub mod invalidate;
pub mod key;
pub mod range;
pub mod request;
pub mod reuse;
pub mod revalidate;
pub mod status;
pub mod storable;
mod structured;
pub mod targeted;
pub mod vary;

pub use cache_control::CacheControl;
pub use freshness::Freshness;
pub use request::RequestDirectives;
pub use reuse::Reuse;
pub use status::Status;
pub use storable::{Candidate, NotStorable};
pub use vary::Selection;

/// Fields of a test, by name and value.
#[cfg(test)]
fn fields(lines: &[(&'static str, &str)]) -> http::HeaderMap {
    let mut map = http::HeaderMap::new();
    for (name, value) in lines {
        map.append(*name, value.parse().unwrap());
    }
    map
}

//! HTTP cache decisions (RFC 9111), without a cache: nothing here does I/O, holds a lock or reads a
//! clock. Time comes in as a value, so every rule can be tested and runs on every host.
//!
//! * [`way`]: has the cache anything to do with this request?
//! * [`key`]: which requests ask for the same thing (section 2)
//! * [`storable`]: may this answer be stored? (section 3)
//! * [`part`], [`slices`]: what is a part of an answer good for? (sections 3.3 and 3.4)
//! * [`freshness`], [`age`], [`targeted`], [`surrogate`]: for how long is it fresh? (section 4.2, RFC
//!   9213)
//! * [`reuse`], [`request`]: may a stored answer be given to this request? (section 4, RFC 5861)
//! * [`vary`]: is it the right one of several? (section 4.1)
//! * [`answer`], [`conditional`], [`range`]: what of it does the client want? (RFC 9110, sections 13
//!   and 14)
//! * [`revalidate`]: how to ask the upstream, and what its answer changes (sections 4.3.1 to 4.3.4)
//! * [`invalidate`], [`groups`], [`name`], [`purge`]: what does a write or a purge drop? (section 4.4,
//!   RFC 9875)
//! * [`status`]: how to tell what was done (RFC 9211); [`explain`]: why, in words

pub mod age;
pub mod answer;
pub mod cache_control;
pub mod conditional;
pub mod date;
pub mod explain;
pub mod freshness;
pub mod groups;
pub mod invalidate;
pub mod key;
mod language;
pub mod name;
pub mod part;
pub mod purge;
pub mod range;
pub mod request;
pub mod reuse;
pub mod revalidate;
pub mod slices;
pub mod status;
pub mod storable;
pub mod stored;
mod structured;
pub mod surrogate;
pub mod targeted;
pub mod vary;
pub mod way;
mod why_not;

pub use cache_control::CacheControl;
pub use freshness::Freshness;
pub use name::Name;
pub use part::Part;
pub use purge::Purge;
pub use request::RequestDirectives;
pub use reuse::{Look, Reuse};
pub use slices::Slices;
pub use status::Status;
pub use storable::{Candidate, NotStorable};
pub use stored::Head;
pub use vary::Selection;
pub use way::Way;

/// Fields of a test, by name and value.
#[cfg(test)]
fn fields(lines: &[(&'static str, &str)]) -> http::HeaderMap {
    let mut map = http::HeaderMap::new();
    for (name, value) in lines {
        map.append(*name, value.parse().unwrap());
    }
    map
}

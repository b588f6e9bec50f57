//! HTTP cache decisions (RFC 9111), without a cache: nothing here does I/O, holds a lock or reads a
//! clock. Time comes in as a value, so every rule can be tested and runs on every host.
//!
//! * [`storable`]: may this answer be stored, and for how long is it fresh? (sections 3 and 4.2)
//! * [`reuse`]: may a stored answer be given to this request? (section 4)
//! * [`vary`]: is it the right one of several? (section 4.1)
//! * [`conditional`], [`range`]: what of it does the client want? (RFC 9110, sections 13 and 14)
//! * [`revalidate`]: how to ask the upstream, and what its answer changes (sections 4.3.1 to 4.3.4)
//! * [`invalidate`], [`groups`]: what does a write make stale? (section 4.4, RFC 9875)
//! * [`status`]: how to tell what was done (RFC 9211)

pub mod cache_control;
pub mod conditional;
pub mod date;
pub mod groups;
pub mod invalidate;
pub mod range;
pub mod reuse;
pub mod revalidate;
pub mod status;
pub mod storable;
pub mod vary;

pub use cache_control::CacheControl;
pub use reuse::{RequestDirectives, Reuse};
pub use storable::{Freshness, NotStorable};

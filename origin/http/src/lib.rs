//! axum glue that all services share: what goes in, what comes out, and how errors look.
//!
//! Every error that leaves is a problem (RFC 9457) of the media type `application/problem+json`,
//! with the request's id; that holds for unknown paths, wrong methods, oversized bodies and panics.

pub mod bearer;
pub mod conditional;
pub mod failure;
pub mod fallback;
pub mod fields;
pub mod idempotency;
pub mod json;
pub mod params;
pub mod path_id;
pub mod request_id;
pub mod tags;

pub use bearer::Bearer;
pub use failure::Failure;
pub use fields::Fields;
pub use json::Json;
pub use params::Params;
pub use path_id::PathId;

//! Verifies bearer tokens (JWT) at the edge, so that a request without the right to be answered never
//! reaches the origin.
//!
//! What it decides, in this order:
//!
//! | request | answer |
//! |---|---|
//! | a rule names paths and the path holds dot segments | 400: no rule can be trusted on it |
//! | no `Authorization`, or one of another scheme | public: goes on; else 401 without an error code |
//! | `Bearer` credentials that break the syntax | 400 `invalid_request` |
//! | no key is known yet | 503: the client's token may be good, so it must keep it |
//! | a token that is not valid, on a public route too | 401 `invalid_token` |
//! | a valid token without a scope that a rule asks for | 403 `insufficient_scope` |
//! | a valid token | goes on, with `x-zephyr-subject` and `x-zephyr-scope` for later filters |
//!
//! Public means that nobody *has to* say who they are. Who does is checked: a client that believes
//! to be signed in must learn that it is not, and later filters may trust the subject.
//!
//! Errors are those of RFC 6750, section 3.1, the body is a problem (RFC 9457). Tokens are read as
//! RFC 8725 advises: the algorithm comes from the key and must be that of the token, `crit` and
//! `none` are refused, no claim may stand there twice, everything has a bound.
//!
//! The origin verifies the token itself again; `authorization` is forwarded untouched.

mod challenge;
mod claims;
mod config;
mod jwk;
mod keys;
mod policy;
mod remembered;
mod strict;
mod token;

pub use policy::Auth;

#[cfg(all(feature = "filter", target_family = "wasm", target_os = "wasi"))]
zephyr_edge_guest::export_filter!(Auth);

#[cfg(all(feature = "middleware", target_family = "wasm", target_os = "wasi"))]
zephyr_edge_middleware::export_middleware!(Auth);

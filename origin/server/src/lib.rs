//! The origin server: the one crate that names all services.
//!
//! Besides theirs, its routes are:
//!
//! * `GET /openapi.json` and `GET /docs` -- the API's description, and a page to browse it.
//! * `GET /-/live` -- the process answers.
//! * `GET /-/ready` -- the database answers too.

mod api;
mod background;
mod config;
mod limit;
mod log;
mod probes;
pub mod seed;
mod server;

pub use config::Config;
pub use server::Server;

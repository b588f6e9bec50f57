//! The control plane: what edge nodes follow, and what operators see and do.
//!
//! For edge nodes (bearer: the edge token):
//!
//! * `GET /control/changes?node=&after=&follow=` -- the change log from a sequence number on, as one
//!   JSON line per change, kept open; with `follow=false` it ends at the head of the log.
//! * `POST /control/heartbeat` -- what a node runs and how it fares.
//!
//! For operators (bearer: the admin token):
//!
//! * `GET /admin/api/nodes` -- edge nodes, when they were last seen, how far they are.
//! * `GET /admin/api/routes`, `GET /admin/api/components` -- what is in force, and where.
//! * `GET /admin/api/changes` -- the end of the change log.
//! * `GET /admin/api/health` -- database, outboxes, nodes.
//! * `POST /admin/api/purge` -- drops answers from the caches of all nodes.
//!
//! Events in: `listing.*`, whose `surrogate_keys` become a purge. Events out: none.
//! Tables (schema `control`): `changes`, `head`, `kv`, `nodes`, `inbox`.

mod admin;
mod app;
mod consumer;
mod edge;
mod feed;
pub mod jobs;
mod model;
mod store;
mod stream;
mod token;

pub use app::{Control, ControlOptions};
pub use consumer::PurgeOnEvent;
pub use model::{Change, Heartbeat, Purge};

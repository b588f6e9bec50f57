//! What every host of the edge does with a request, whatever runs its filters: Zephyr's node, which
//! calls components, and the hosts that link the policies in (`edge/portable`).
//!
//! * [`config`]: `zephyr.toml`, read and checked
//! * [`admission`]: whether a head may go on, and who asks for what
//! * [`router`]: which route a request takes
//! * [`exchange`], [`headers`], [`filter_view`]: a request and its answer, as filters see and change
//!   them
//! * [`stages`]: the order in which filters are asked, and what becomes of their verdicts
//! * [`forwarded`], [`fields`]: what an upstream is told, and what passes no proxy
//! * [`control`]: lines of the origin's change log
//! * [`kv_scope`]: which keys of the store are whose
//! * [`spin`]: Spin applications as configurations of a node
//! * [`problem`], [`proxy_status`], [`error`]: what is said when something goes wrong
//!
//! No I/O and no runtime: a rule that stands here is the same on all hosts.

pub mod admission;
pub mod config;
pub mod control;
pub mod error;
pub mod exchange;
pub mod fields;
pub mod filter_view;
pub mod forwarded;
pub mod headers;
pub mod kv_scope;
pub mod problem;
pub mod proxy_status;
pub mod router;
pub mod spin;
pub mod stages;
pub mod target;

pub use config::{Config, ConfigError, ParseOptions};
pub use error::{BoxError, ProxyError, Source};
pub use exchange::{Exchange, FieldChange};

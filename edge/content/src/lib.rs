//! What an answer's content is made from: files of a folder, and codings that make it smaller.
//!
//! * [`files`]: a folder as an origin (RFC 9110, sections 8.8, 13, 14 and 15)
//! * [`accept`]: which coding a client gets (RFC 9110, section 12.5.3)
//! * [`compress`]: an answer compressed while it streams
//! * [`dictionary`]: answers that later ones are compressed with (RFC 9842)
//!
//! No sockets, no routes and no configuration: `edge/node` knows those.

pub mod accept;
pub mod coding;
pub mod compress;
pub mod dictionary;
pub mod files;

pub use coding::Coding;

/// Any error, boxed.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

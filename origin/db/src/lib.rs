//! PostgreSQL for the services: pools, migrations, the outbox, and a private server for development
//! and tests.
//!
//! A service keeps all its SQL in its `store.rs`, as literals, and touches only its own schema.

pub mod error;
pub mod inbox;
pub mod migrations;
pub mod outbox;
pub mod pool;
pub mod private;
pub mod relay;
pub mod waker;

pub use error::DbError;
pub use migrations::migrate;
pub use pool::{Db, DbOptions};
pub use waker::Waker;

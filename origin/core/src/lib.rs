//! What every service of the origin speaks: ids, money, pages, events, identities and errors.
//!
//! Nothing here does I/O. [`ApiError`] is the one error that leaves a service, as problem details
//! (RFC 9457); `zephyr-http` turns it into an answer.

pub mod cursor;
pub mod error;
pub mod event;
pub mod id;
pub mod identity;
pub mod money;
pub mod page;

pub use cursor::Cursor;
pub use error::{ApiError, FieldError, FieldErrors};
pub use event::{Consumer, ConsumerError, Event};
pub use id::new_id;
pub use identity::{Identity, TokenError, TokenVerifier};
pub use money::{Currency, Money};
pub use page::{Page, PageParams};

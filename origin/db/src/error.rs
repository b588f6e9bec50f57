//! Errors of the database, told apart by what a client should do about them.

use sqlx::error::{DatabaseError, ErrorKind};
use zephyr_origin_core::ApiError;

/// A failed database call.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The database is away, starting, stopping, out of connections or too busy: try again later.
    #[error("the database is unavailable: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// A text holds U+0000, the one character that PostgreSQL cannot keep.
    #[error("a text cannot be kept: {0}")]
    Text(#[source] sqlx::Error),
    /// Anything else: a bug, or a constraint that the caller looks at.
    #[error("a database call failed: {0}")]
    Failed(#[source] sqlx::Error),
}

impl DbError {
    /// The name of the unique constraint that a write broke.
    #[must_use]
    pub fn unique_violation(&self) -> Option<&str> {
        match self.database_error()? {
            error if error.kind() == ErrorKind::UniqueViolation => error.constraint(),
            _ => None,
        }
    }

    /// The name of the foreign key that a write broke.
    #[must_use]
    pub fn foreign_key_violation(&self) -> Option<&str> {
        match self.database_error()? {
            error if error.kind() == ErrorKind::ForeignKeyViolation => error.constraint(),
            _ => None,
        }
    }

    fn database_error(&self) -> Option<&dyn DatabaseError> {
        match self {
            Self::Failed(sqlx::Error::Database(error)) => Some(error.as_ref()),
            _ => None,
        }
    }
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error),
            sqlx::Error::Database(failure) => match failure.code().as_deref() {
                Some(code) if is_passing(code) => Self::Unavailable(error),
                // As a text, and within JSON.
                Some("22021" | "22P05") => Self::Text(error),
                _ => Self::Failed(error),
            },
            _ => Self::Failed(error),
        }
    }
}

/// SQLSTATE of what passes: class 08 (connection), 53 (resources), 57 (operator intervention, which
/// the statement timeout counts as), 40 (deadlock), 25006 (the server became a replica), 25P03 (the
/// transaction was idle for too long), 55P03 (a lock was not to be had).
fn is_passing(code: &str) -> bool {
    let class = code.get(..2).unwrap_or_default();
    matches!(class, "08" | "53" | "57" | "40") || matches!(code, "25006" | "25P03" | "55P03")
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Unavailable(_) => Self::unavailable(error),
            DbError::Text(_) => {
                Self::bad_request("A text holds the character U+0000, which cannot be kept.")
            }
            DbError::Failed(_) => Self::internal(error),
        }
    }
}

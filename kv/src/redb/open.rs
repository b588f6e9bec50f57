//! Opens a database file, and tells what is wrong with one that does not open.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use redb::{Database, DatabaseError, StorageError};

use super::tables::{EXPIRIES, KEYS, failed};
use crate::Error;

/// Pages kept in memory. The library's default of 1 GiB is above what a whole node may take.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// Opens or makes the file, with both tables in it.
///
/// The file is checked as a whole, because without that the library panics on some damaged ones
/// (its `set_check_integrity_on_open` says so); in a debug build it may panic even then.
pub(super) fn database(path: &Path) -> Result<Database, Error> {
    let opened = catch_unwind(AssertUnwindSafe(|| {
        Database::builder()
            .set_cache_size(CACHE_BYTES)
            .set_check_integrity_on_open(true)
            .create(path)
    }));
    let database = match opened {
        Ok(Ok(database)) => database,
        Ok(Err(error)) => return Err(refused(path, error)),
        Err(_) => {
            let message = format!("{} is damaged", path.display());
            return Err(Error::corrupt_value(message));
        }
    };
    let transaction = database.begin_write().map_err(failed)?;
    transaction.open_table(KEYS).map_err(failed)?;
    transaction.open_table(EXPIRIES).map_err(failed)?;
    transaction.commit().map_err(failed)?;
    Ok(database)
}

fn refused(path: &Path, error: DatabaseError) -> Error {
    let path = path.display();
    match &error {
        DatabaseError::DatabaseAlreadyOpen => {
            Error::unavailable(format!("{path} is in use by another process"), error)
        }
        DatabaseError::UpgradeRequired(version) => Error::corrupt(
            format!("{path} is of format {version}, which this version does not read"),
            error,
        ),
        DatabaseError::Storage(StorageError::Corrupted(_)) | DatabaseError::RepairAborted => {
            Error::corrupt(format!("{path} is damaged"), error)
        }
        DatabaseError::Storage(StorageError::Io(io))
            if io.kind() == std::io::ErrorKind::InvalidData =>
        {
            Error::corrupt(format!("{path} is not a key-value store"), error)
        }
        _ => Error::unavailable(format!("{path} cannot be opened"), error),
    }
}

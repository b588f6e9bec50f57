//! The folder that `dev` keeps between starts.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use secrecy::SecretString;

use crate::{exit, secret};

/// An open data folder. No other `dev` can open it while this one lasts.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    /// Locked until it is closed, by the system too when this process dies.
    _lock: fs::File,
}

impl DataFolder {
    /// Creates the folder on the first start. Nobody else can list it, but PostgreSQL, which never
    /// runs as root, can reach its own folder in it.
    pub(crate) fn open(path: &Path) -> anyhow::Result<DataFolder> {
        let shown = path.display();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o711)
            .create(path)
            .with_context(|| format!("creating the data folder {shown}"))?;
        let path = path
            .canonicalize()
            .with_context(|| format!("the data folder {shown}"))?;

        let lock = path.join("lock");
        let lock =
            fs::File::create(&lock).with_context(|| format!("writing {}", lock.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(DataFolder { path, _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => Err(exit::usage(format!(
                "another `zephyr dev` uses the data folder {}; stop it, or choose another with \
                 --data",
                path.display()
            ))),
            Err(fs::TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("locking {}", path.display()))
            }
        }
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A file or folder in it.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A secret that is the same on every start.
    pub(crate) fn secret(&self, name: &str) -> anyhow::Result<SecretString> {
        secret::kept(&self.join(name))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_folder_serves_one_at_a_time() {
        let above = tempfile::tempdir().unwrap();
        let path = above.path().join("a/b");
        let first = DataFolder::open(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o711);

        let error = DataFolder::open(&path).unwrap_err();
        assert!(
            error.to_string().starts_with("another `zephyr dev` uses"),
            "{error}"
        );
        drop(first);
        DataFolder::open(&path).unwrap();
    }
}

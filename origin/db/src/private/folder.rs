//! The folders of a private server, which nobody but its user may enter.

use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use super::PrivateError;
use super::user::{self, User};

/// Where a folder is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Where the caller wants it.
    Chosen,
    /// In a folder in which everybody may make files: what is there already may be a trap.
    Shared,
}

/// A folder that only the server's user may enter.
pub(super) fn private(folder: &Path, user: Option<User>, place: Place) -> Result<(), PrivateError> {
    if let Some(above) = folder.parent() {
        fs::create_dir_all(above).map_err(PrivateError::io("creating", above))?;
    }
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        made => made.map_err(PrivateError::io("creating", folder))?,
    }
    let found = match place {
        Place::Chosen => fs::metadata(folder),
        Place::Shared => fs::symlink_metadata(folder),
    };
    let found = found.map_err(PrivateError::io("reading", folder))?;
    let me = rustix::process::geteuid().as_raw();
    let ours = found.uid() == me || user.is_some_and(|user| user.uid == found.uid());
    if !found.is_dir() || (place == Place::Shared && !ours) {
        let source = std::io::Error::other("is not a folder of ours");
        return Err(PrivateError::io("using", folder)(source));
    }
    if let Some(user) = user {
        chown(folder, Some(user.uid), Some(user.gid))
            .map_err(PrivateError::io("giving away", folder))?;
    }
    fs::set_permissions(folder, Permissions::from_mode(0o700))
        .map_err(PrivateError::io("closing", folder))
}

/// The lock of a data folder. It ends with this process, however that ends.
pub(super) fn lock(home: &Path) -> Result<File, PrivateError> {
    let path = home.join("lock");
    let file = File::create(&path).map_err(PrivateError::io("creating", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(PrivateError::InUse(home.to_owned())),
        Err(TryLockError::Error(error)) => Err(PrivateError::io("locking", &path)(error)),
    }
}

/// Sockets have short names (107 bytes), so theirs is not below the data folder.
pub(super) fn for_socket(home: &Path, user: Option<User>) -> Result<PathBuf, PrivateError> {
    let uid = rustix::process::geteuid().as_raw();
    let folder = PathBuf::from(format!("/tmp/zephyr-{uid}-{}", user::short_hash(home)));
    private(&folder, user, Place::Shared)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_closed_and_what_is_above_it_is_not() {
        let above = tempfile::tempdir().unwrap();
        let folder = above.path().join("a/b");
        private(&folder, None, Place::Shared).unwrap();
        private(&folder, None, Place::Shared).expect("once more");
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        // The server's user must get through.
        assert_eq!(mode(&above.path().join("a")) & 0o111, 0o111);
    }

    #[test]
    fn a_link_in_a_shared_folder_is_a_trap() {
        let above = tempfile::tempdir().unwrap();
        let (target, link) = (above.path().join("target"), above.path().join("link"));
        fs::create_dir(&target).unwrap();
        fs::set_permissions(&target, Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let error = private(&link, None, Place::Shared).unwrap_err().to_string();
        assert!(error.contains("is not a folder of ours"), "{error}");
        assert_eq!(fs::metadata(&target).unwrap().mode() & 0o777, 0o755);
        private(&link, None, Place::Chosen).expect("a user may lay folders out with links");
    }

    #[test]
    fn a_lock_is_held_once() {
        let home = tempfile::tempdir().unwrap();
        let first = lock(home.path()).unwrap();
        assert!(matches!(lock(home.path()), Err(PrivateError::InUse(_))));
        drop(first);
        lock(home.path()).unwrap();
    }
}

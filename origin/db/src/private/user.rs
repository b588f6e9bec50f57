//! Who PostgreSQL runs as: `initdb` refuses root.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// An unprivileged user to drop to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub uid: u32,
    pub gid: u32,
}

/// The user to drop to; none when this process is unprivileged itself.
pub(super) fn to_drop_to() -> Option<User> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let nobody = User {
        uid: 65534,
        gid: 65534,
    };
    Some(
        find(&passwd, "postgres")
            .or_else(|| find(&passwd, "nobody"))
            .unwrap_or(nobody),
    )
}

fn find(passwd: &str, name: &str) -> Option<User> {
    let line = passwd
        .lines()
        .find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    let uid = fields.next()?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    (uid != 0).then_some(User { uid, gid })
}

/// The folder to use in place of `wanted`: itself where the user can reach it, else one below
/// `/var/tmp` whose name follows from the path.
pub(super) fn reachable(wanted: &Path, user: Option<User>) -> PathBuf {
    let Some(user) = user else {
        return wanted.to_owned();
    };
    if wanted
        .ancestors()
        .skip(1)
        .filter(|folder| folder.exists())
        .all(|folder| may_enter(folder, user))
    {
        return wanted.to_owned();
    }
    PathBuf::from(format!("/var/tmp/zephyr-{}", short_hash(wanted)))
}

fn may_enter(folder: &Path, user: User) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(metadata) = fs::metadata(folder) else {
        return false;
    };
    let mode = metadata.mode();
    let bit = if metadata.uid() == user.uid {
        0o100
    } else if metadata.gid() == user.gid {
        0o010
    } else {
        0o001
    };
    mode & bit != 0
}

/// Eight bytes of the path's hash, in hex.
pub(super) fn short_hash(path: &Path) -> String {
    let hash = Sha256::digest(path.as_os_str().as_encoded_bytes());
    hash[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_name_and_is_never_root() {
        let passwd = "root:x:0:0::/root:/bin/sh\npostgres:x:101:104::/:/bin/sh\nevil:x:0:0::/:/x\n";
        assert_eq!(find(passwd, "postgres"), Some(User { uid: 101, gid: 104 }));
        assert_eq!(find(passwd, "evil"), None);
        assert_eq!(find(passwd, "gone"), None);
    }

    #[test]
    fn an_unprivileged_process_uses_the_folder_it_was_given() {
        assert_eq!(reachable(Path::new("/x/y"), None), Path::new("/x/y"));
    }
}

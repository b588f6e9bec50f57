//! Builds the standard library for wasm targets from Debian's `rust-src` and `wasi-libc`.
//!
//! Needed where rustup cannot reach its server. `-Zbuild-std` compiles `std` from source as a
//! dependency of an empty crate; its libraries are then put where the compiler looks for them. The
//! source must be of exactly the compiler's version: `std` uses its internals.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::apt::Apt;
use super::mirror::{self, Mirror};
use super::sysroot::{Sysroot, WASI_FILES};
use crate::{process, progress};

/// Where the versions of Debian stand that may carry this compiler's source, tried in order.
const SUITES: [&str; 2] = ["trixie trixie-backports", "forky sid"];

/// Builds and installs `targets`. Works in `work`, which is removed in the end.
pub(super) fn build(sysroot: &Sysroot, targets: &[&str], work: &Path) -> anyhow::Result<()> {
    for program in ["apt-get", "apt-cache", "dpkg"] {
        anyhow::ensure!(
            process::exists(program),
            "this needs Debian: there is no {program} here"
        );
    }
    let release = release(sysroot.version())?;
    let staging = Folder::create(
        sysroot
            .rustlib()
            .join(format!(".zephyr-{}", std::process::id())),
    )
    .context("the compiler's folder cannot be written; run this once as its owner (or root)")?;
    let work = Folder::create(work.to_owned())?;

    let sources = unpack(&work.0, release)?;
    let _link = SourceLink::create(sysroot, &sources.rust)?;
    let built = compile(&work.0.join("std"), targets)?;
    for target in targets {
        let staged = staging.0.join(target);
        stage(&built.join(target).join("release/deps"), &staged)?;
        if target.contains("wasi") {
            stage_wasi(&sources.wasi, &staged)?;
        }
        sysroot.install(target, &staged)?;
    }
    Ok(())
}

/// `1.95.0` of `rustc 1.95.0 (59807616e 2026-04-14)`.
fn release(version: &str) -> anyhow::Result<&str> {
    let release = version.split_whitespace().nth(1).unwrap_or_default();
    let is_stable = !release.is_empty() && release.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    anyhow::ensure!(
        is_stable,
        "Debian has the source of stable compilers only, not of `{version}`"
    );
    Ok(release)
}

/// Whether a Debian version packages exactly that release: `1.95.0+dfsg1-2~bpo13+1`.
fn is_of_release(version: &str, release: &str) -> bool {
    version
        .strip_prefix(release)
        .is_some_and(|rest| rest.starts_with(['+', '-']))
}

/// Where the packages were unpacked to.
struct Sources {
    rust: PathBuf,
    wasi: PathBuf,
}

fn unpack(work: &Path, release: &str) -> anyhow::Result<Sources> {
    let mirror = machine_mirror()?;
    for suites in SUITES {
        progress::line(&format!("  reading the package lists of {suites}"));
        let folder = work.join("apt").join(suites.replace(' ', "-"));
        let apt = Apt::open(&folder, &mirror, suites)?;
        let Some(version) = apt.version("rust-src", |v| is_of_release(v, release))? else {
            progress::line(&format!("  {suites}: no rust-src {release}"));
            continue;
        };
        let wasi = apt
            .version("wasi-libc", |_| true)?
            .with_context(|| format!("no wasi-libc in {suites}"))?;
        let root = work.join("root");
        progress::line(&format!(
            "  fetching rust-src {version} and wasi-libc {wasi}"
        ));
        apt.unpack("rust-src", &version, &root)?;
        apt.unpack("wasi-libc", &wasi, &root)?;
        let rust = root.join("usr/src").join(format!("rustc-{release}"));
        anyhow::ensure!(
            rust.join("library/std/Cargo.toml").is_file(),
            "rust-src {version} has no library/std where it was expected"
        );
        let wasi = root.join("usr/lib/wasm32-wasip2");
        return Ok(Sources { rust, wasi });
    }
    anyhow::bail!(
        "Debian ({}) has no rust-src of exactly {release}",
        SUITES.join(", ")
    )
}

fn machine_mirror() -> anyhow::Result<Mirror> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(entries.flatten().map(|entry| entry.path()));
    }
    files.sort();
    let texts: Vec<(String, String)> = files
        .iter()
        .filter(|file| {
            file.extension()
                .is_some_and(|e| e == "list" || e == "sources")
        })
        .filter_map(|file| Some((file.to_str()?.to_owned(), fs::read_to_string(file).ok()?)))
        .collect();
    mirror::find(
        texts
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str())),
    )
    .context("no Debian mirror stands in /etc/apt/sources.list or /etc/apt/sources.list.d")
}

/// Compiles `std` for all targets and returns the folder with one subfolder a target.
fn compile(folder: &Path, targets: &[&str]) -> anyhow::Result<PathBuf> {
    progress::line("  compiling std");
    fs::create_dir_all(folder.join("src")).context("creating the crate that pulls std in")?;
    let manifest = "[package]\nname = \"zephyr-empty\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n";
    fs::write(folder.join("Cargo.toml"), manifest).context("writing its manifest")?;
    fs::write(folder.join("src/lib.rs"), "").context("writing its source")?;

    let target = folder.join("target");
    let mut command = process::cargo();
    command.args(["build", "--release", "-Zbuild-std=std,panic_abort"]);
    for name in targets {
        command.args(["--target", name]);
    }
    command
        .current_dir(folder)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", &target);
    for variable in [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "RUSTC_WRAPPER",
    ] {
        command.env_remove(variable);
    }
    process::run(&mut command)?;
    Ok(target)
}

/// Collects the libraries that were built, but for the empty crate's own.
fn stage(built: &Path, staged: &Path) -> anyhow::Result<()> {
    let libraries = staged.join("lib");
    fs::create_dir_all(&libraries).with_context(|| format!("creating {}", libraries.display()))?;
    for entry in fs::read_dir(built).with_context(|| format!("reading {}", built.display()))? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        if name.ends_with(".rlib") && !name.starts_with("libzephyr_empty") {
            copy(&path, &libraries.join(name))?;
        }
    }
    Ok(())
}

fn stage_wasi(wasi: &Path, staged: &Path) -> anyhow::Result<()> {
    let folder = staged.join("lib/self-contained");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    WASI_FILES
        .iter()
        .try_for_each(|name| copy(&wasi.join(name), &folder.join(name)))
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("copying {} to {}", from.display(), to.display()))
}

/// An empty folder that is removed again, whatever happens.
struct Folder(PathBuf);

impl Folder {
    fn create(path: PathBuf) -> anyhow::Result<Folder> {
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The link at which cargo looks for the source. It lasts as long as the build, since the source
/// goes away with it; one that an interrupted run left dangling is replaced.
struct SourceLink(Option<PathBuf>);

impl SourceLink {
    fn create(sysroot: &Sysroot, source: &Path) -> anyhow::Result<SourceLink> {
        let link = sysroot.rustlib().join("src/rust");
        if link.join("library/std/Cargo.toml").is_file() {
            return Ok(SourceLink(None)); // rustup's own rust-src, of this compiler
        }
        let _ = fs::remove_file(&link);
        fs::create_dir_all(sysroot.rustlib().join("src"))
            .and_then(|()| std::os::unix::fs::symlink(source, &link))
            .with_context(|| format!("linking {} to {}", link.display(), source.display()))?;
        Ok(SourceLink(Some(link)))
    }
}

impl Drop for SourceLink {
    fn drop(&mut self) {
        if let Some(link) = &self.0 {
            let _ = fs::remove_file(link);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_read_off_the_version() {
        assert_eq!(
            release("rustc 1.95.0 (59807616e 2026-04-14)").unwrap(),
            "1.95.0"
        );
        let error = release("rustc 1.97.0-nightly (abc 2026-05-01)").unwrap_err();
        assert!(
            error.to_string().contains("stable compilers only"),
            "{error}"
        );
    }

    #[test]
    fn only_the_same_release_is_taken() {
        assert!(is_of_release("1.95.0+dfsg1-2~bpo13+1", "1.95.0"));
        assert!(!is_of_release("1.95.0~rc1-1", "1.95.0"));
        assert!(!is_of_release("1.95.01+dfsg1-1", "1.95.0"));
        assert!(!is_of_release("1.96.1+dfsg1-2", "1.95.0"));
    }

    #[test]
    fn the_empty_crate_is_not_installed() {
        let folder = tempfile::tempdir().unwrap();
        let (built, staged) = (folder.path().join("deps"), folder.path().join("staged"));
        fs::create_dir(&built).unwrap();
        for name in ["libstd-1.rlib", "libzephyr_empty-2.rlib", "std-1.d"] {
            fs::write(built.join(name), "").unwrap();
        }
        stage(&built, &staged).unwrap();
        let names: Vec<_> = fs::read_dir(staged.join("lib"))
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(names, ["libstd-1.rlib"]);
    }
}

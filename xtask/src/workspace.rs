//! What `cargo metadata` knows of this workspace: its folders, packages and their dependencies.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize;

use crate::process;

/// The workspace that this xtask belongs to.
#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    #[serde(rename = "workspace_root")]
    pub(crate) root: PathBuf,
    /// Where cargo builds: `CARGO_TARGET_DIR`, a configured folder, or `target`.
    #[serde(rename = "target_directory")]
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// One member of the workspace.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
    /// Its features, with what each turns on.
    #[serde(default)]
    pub(crate) features: BTreeMap<String, Vec<String>>,
}

/// A dependency as its manifest declares it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `None`: normal, else `dev` or `build`.
    pub(crate) kind: Option<String>,
    /// Set for dependencies inside this repository.
    pub(crate) path: Option<PathBuf>,
}

/// Something that cargo builds from a package.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
}

impl Workspace {
    /// Asks cargo. Needs no network: dependencies are not resolved.
    pub(crate) fn load() -> anyhow::Result<Workspace> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let mut command = process::cargo();
        command.args([
            "metadata",
            "--no-deps",
            "--format-version=1",
            "--manifest-path",
        ]);
        let json = process::read(command.arg(manifest))?;
        serde_json::from_str(&json).context("`cargo metadata` printed something unexpected")
    }

    /// A package's folder relative to the root, with forward slashes: `components/auth`.
    pub(crate) fn folder(&self, package: &Package) -> String {
        let folder = package.manifest_path.parent().unwrap_or(&self.root);
        let relative = folder.strip_prefix(&self.root).unwrap_or(folder);
        relative.to_string_lossy().replace('\\', "/")
    }

    /// The package in this folder, relative to the root.
    pub(crate) fn package_in(&self, folder: &str) -> anyhow::Result<&Package> {
        self.packages
            .iter()
            .find(|package| self.folder(package) == folder)
            .with_context(|| format!("there is no package in {folder}"))
    }

    /// Packages whose folder is directly below `parent`, such as `components`.
    pub(crate) fn below<'a>(&'a self, parent: &'a str) -> impl Iterator<Item = &'a Package> {
        self.packages.iter().filter(move |package| {
            let folder = self.folder(package);
            Path::new(&folder).parent() == Some(Path::new(parent))
        })
    }

    /// A cargo command that runs in the workspace's root.
    pub(crate) fn cargo(&self) -> std::process::Command {
        let mut command = process::cargo();
        command.current_dir(&self.root);
        command
    }

    /// Where built components are put.
    pub(crate) fn components(&self) -> PathBuf {
        match std::env::var_os("ZEPHYR_COMPONENTS") {
            Some(folder) if !folder.is_empty() => PathBuf::from(folder),
            _ => self.target.join("components"),
        }
    }
}

impl Package {
    /// The name of the file that its library is built to, without an ending.
    pub(crate) fn library(&self) -> Option<String> {
        let is_library = |target: &&Target| {
            target
                .kind
                .iter()
                .any(|kind| matches!(kind.as_str(), "lib" | "cdylib" | "rlib"))
        };
        self.targets
            .iter()
            .find(is_library)
            .map(|target| target.name.replace('-', "_"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_workspace_is_found_with_its_components() {
        let workspace = Workspace::load().unwrap();
        assert!(workspace.root.join("wit/filter.wit").is_file());
        let components: Vec<String> = workspace
            .below("components")
            .map(|package| workspace.folder(package))
            .collect();
        assert!(
            components.contains(&"components/auth".to_owned()),
            "{components:?}"
        );
        assert!(
            workspace
                .below("edge")
                .all(|package| package.name.starts_with("zephyr-"))
        );
    }

    #[test]
    fn a_folder_without_a_package_is_named() {
        let workspace = Workspace::load().unwrap();
        assert_eq!(workspace.package_in("cli").unwrap().name, "zephyr-cli");
        let error = workspace.package_in("edge/none").unwrap_err();
        assert_eq!(error.to_string(), "there is no package in edge/none");
    }

    #[test]
    fn a_library_knows_its_file() {
        let workspace = Workspace::load().unwrap();
        let auth = workspace
            .packages
            .iter()
            .find(|p| p.name == "zephyr-component-auth")
            .unwrap();
        assert_eq!(auth.library().as_deref(), Some("zephyr_component_auth"));
        let cli = workspace
            .packages
            .iter()
            .find(|p| p.name == "zephyr-cli")
            .unwrap();
        assert_eq!(cli.library(), None);
    }
}

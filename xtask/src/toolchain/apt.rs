//! Fetches and unpacks Debian packages of suites that the machine itself does not follow.
//!
//! All of apt's state for this lives in a folder of our own, so neither the machine's package lists
//! nor its installed packages change, and no root is needed. Signatures are checked as always.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

use super::mirror::{self, Mirror};
use crate::process;

/// For one apt call; a package index has tens of megabytes, `rust-src` 45.
const LIMIT: Duration = Duration::from_secs(600);

/// An apt with sources and lists of its own.
#[derive(Debug)]
pub(super) struct Apt {
    folder: PathBuf,
}

impl Apt {
    /// Downloads the package lists of some suites of the machine's own mirror.
    pub(super) fn open(folder: &Path, mirror: &Mirror, suites: &str) -> anyhow::Result<Apt> {
        for part in ["sources", "lists/partial", "archives/partial"] {
            fs::create_dir_all(folder.join(part))
                .with_context(|| format!("creating {}", folder.display()))?;
        }
        let source = folder.join("sources/zephyr.sources");
        fs::write(&source, mirror::source(mirror, suites))
            .with_context(|| format!("writing {}", source.display()))?;
        let apt = Apt {
            folder: folder.to_owned(),
        };
        apt.run("apt-get", &["update"])?;
        Ok(apt)
    }

    /// The newest version of a package that `wanted` accepts.
    pub(super) fn version(
        &self,
        package: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> anyhow::Result<Option<String>> {
        let table = self.run("apt-cache", &["madison", package])?;
        Ok(versions(&table)
            .find(|version| wanted(version))
            .map(str::to_owned))
    }

    /// Downloads one package and unpacks it to `root`, without installing it.
    pub(super) fn unpack(&self, package: &str, version: &str, root: &Path) -> anyhow::Result<()> {
        let folder = self.folder.join("packages").join(package);
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let wanted = format!("{package}={version}");
        process::run_bounded(
            self.command("apt-get")
                .args(["download", &wanted])
                .current_dir(&folder),
            LIMIT,
        )?;
        let archive = fs::read_dir(&folder)?
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|ending| ending == "deb"))
            .with_context(|| format!("apt-get downloaded no file for {wanted}"))?;
        process::run_bounded(Command::new("dpkg").arg("-x").arg(archive).arg(root), LIMIT).map(drop)
    }

    fn run(&self, program: &str, args: &[&str]) -> anyhow::Result<String> {
        process::run_bounded(self.command(program).args(args), LIMIT)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let folder = self.folder.display();
        for option in [
            "Dir::Etc::SourceList=/dev/null".to_owned(),
            format!("Dir::Etc::SourceParts={folder}/sources"),
            format!("Dir::State::Lists={folder}/lists"),
            format!("Dir::Cache::Archives={folder}/archives"),
            "Dir::Cache::pkgcache=".to_owned(),
            "Dir::Cache::srcpkgcache=".to_owned(),
            // The user that apt drops to cannot reach a folder below a home directory.
            "APT::Sandbox::User=root".to_owned(),
            "APT::Update::Error-Mode=any".to_owned(),
            "Acquire::Languages=none".to_owned(),
            "Acquire::Retries=2".to_owned(),
            "Acquire::http::Timeout=20".to_owned(),
            "Acquire::https::Timeout=20".to_owned(),
        ] {
            command.arg("-o").arg(option);
        }
        command
            .env("LC_ALL", "C")
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    }
}

/// The versions in a table of `apt-cache madison`, newest first.
fn versions(table: &str) -> impl Iterator<Item = &str> {
    table
        .lines()
        .filter_map(|line| line.split('|').nth(1).map(str::trim))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_off_the_table() {
        let table = "\
  rust-src | 1.96.1+dfsg1-2~bpo13+1 | http://mirror.example/debian trixie-backports/main amd64 Packages
  rust-src | 1.95.0+dfsg1-2~bpo13+1 | http://mirror.example/debian trixie-backports/main amd64 Packages
";
        let found: Vec<&str> = versions(table).collect();
        assert_eq!(found, ["1.96.1+dfsg1-2~bpo13+1", "1.95.0+dfsg1-2~bpo13+1"]);
        assert_eq!(versions("N: Unable to locate package\n").count(), 0);
    }
}

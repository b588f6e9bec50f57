//! The programs that the benchmark needs: found, or installed where we may.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

use crate::{process, progress};

const APT_LIMIT: Duration = Duration::from_secs(10 * 60);

/// Program, Debian's package of it, and what it is for.
const NEEDED: [(&str, &str, &str); 5] = [
    ("nginx", "nginx-light", "what the node is measured against"),
    ("varnishd", "varnish", "what hits are measured beside"),
    ("wrk", "wrk", "the load generator"),
    ("h2load", "nghttp2-client", "the load generator of HTTP/2"),
    ("openssl", "openssl", "what makes the certificate"),
];

/// Where they are.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) nginx: PathBuf,
    pub(crate) varnish: PathBuf,
    pub(crate) wrk: PathBuf,
    pub(crate) h2load: PathBuf,
    /// Pins processes to cores; without it the system places them.
    pub(crate) taskset: Option<PathBuf>,
}

impl Tools {
    /// Looks for them, and installs what is missing where we are root on Debian.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let folders = folders();
        let missing = missing(&folders);
        if !missing.is_empty() {
            install(&missing)?;
        }
        let find = |program: &str| {
            find_in(&folders, program).with_context(|| format!("{program} is still not here"))
        };
        find("openssl")?;
        Ok(Self {
            nginx: find("nginx")?,
            varnish: find("varnishd")?,
            wrk: find("wrk")?,
            h2load: find("h2load")?,
            taskset: find_in(&folders, "taskset"),
        })
    }
}

/// `PATH`, and where servers are installed that only root has in its path.
fn folders() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .collect()
}

fn find_in(folders: &[PathBuf], program: &str) -> Option<PathBuf> {
    folders
        .iter()
        .map(|folder| folder.join(program))
        .find(|file| Path::is_file(file))
}

/// Of [`NEEDED`], what is in none of the folders.
fn missing(folders: &[PathBuf]) -> Vec<&'static (&'static str, &'static str, &'static str)> {
    NEEDED
        .iter()
        .filter(|(program, ..)| find_in(folders, program).is_none())
        .collect()
}

fn install(missing: &[&(&str, &str, &str)]) -> anyhow::Result<()> {
    let packages: Vec<&str> = missing.iter().map(|(_, package, _)| *package).collect();
    let by_hand = format!("apt-get install {}", packages.join(" "));
    let named: Vec<String> = missing
        .iter()
        .map(|(program, _, what)| format!("{program} ({what})"))
        .collect();
    let missing = format!("not here: {}; Debian has it: `{by_hand}`", named.join(", "));
    let is_root = process::read(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    anyhow::ensure!(is_root && process::exists("apt-get"), missing);
    progress::step(&by_hand, || {
        let mut install = vec!["install", "--yes", "--no-install-recommends"];
        install.extend(&packages);
        // A machine that has just been made has no package lists.
        apt(&install).or_else(|_| apt(&["update"]).and_then(|()| apt(&install)))
    })
    .context(missing)
}

fn apt(args: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new("apt-get");
    command
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        // We want the programs, not the services that the packages would start.
        .env("RUNLEVEL", "1");
    process::run_bounded(&mut command, APT_LIMIT).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_in_the_first_folder_that_has_it() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let paths: Vec<PathBuf> = folders
            .iter()
            .map(|folder| folder.path().to_owned())
            .collect();
        assert_eq!(find_in(&paths, "nginx"), None);
        assert_eq!(missing(&paths).len(), NEEDED.len());
        std::fs::write(paths[1].join("nginx"), "").unwrap();
        assert_eq!(find_in(&paths, "nginx"), Some(paths[1].join("nginx")));
        assert!(missing(&paths).iter().all(|(name, ..)| *name != "nginx"));
    }
}

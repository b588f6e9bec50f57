//! The programs that the benchmark needs, found or named.

use std::path::{Path, PathBuf};

/// Where they are.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) nginx: PathBuf,
    pub(crate) wrk: PathBuf,
    /// Pins processes to cores; without it the system places them.
    pub(crate) taskset: Option<PathBuf>,
}

impl Tools {
    /// Looks for them.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let missing = |program: &str, package: &str, what: &str| {
            anyhow::anyhow!(
                "{program} is not here: it is {what}. Debian has it: `apt-get install {package}`"
            )
        };
        Ok(Self {
            nginx: find("nginx").ok_or_else(|| {
                missing("nginx", "nginx-light", "what the node is measured against")
            })?,
            wrk: find("wrk").ok_or_else(|| missing("wrk", "wrk", "the load generator"))?,
            taskset: find("taskset"),
        })
    }
}

/// Looks in `PATH`, and where servers are installed that only root has in its path.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .collect();
    find_in(&folders, program)
}

fn find_in(folders: &[PathBuf], program: &str) -> Option<PathBuf> {
    folders
        .iter()
        .map(|folder| folder.join(program))
        .find(|file| Path::is_file(file))
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
        std::fs::write(paths[1].join("nginx"), "").unwrap();
        assert_eq!(find_in(&paths, "nginx"), Some(paths[1].join("nginx")));
    }
}

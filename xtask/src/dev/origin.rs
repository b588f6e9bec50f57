//! PostgreSQL and the origin, for a host that is not our own node.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::children::Children;
use super::options::Options;
use crate::bench::probe;
use crate::progress;
use crate::workspace::Workspace;

/// How long the origin may take until it is ready. The first start makes a database and seeds it.
const READY_LIMIT: Duration = Duration::from_secs(300);

/// A running origin.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) url: String,
    /// What an edge shows the origin's control interface. Never for a command line.
    pub(super) token: String,
    /// Where the host may keep its own files.
    pub(super) data: PathBuf,
}

impl Origin {
    /// Starts `zephyr dev` without edge nodes as the first of our children. `None`: a signal came
    /// before it was ready.
    pub(super) fn start(
        workspace: &Workspace,
        options: &Options,
        children: &mut Children,
    ) -> anyhow::Result<Option<Origin>> {
        let data = match &options.data {
            Some(data) => std::path::absolute(data).context("the data folder's path")?,
            None => workspace.root.join(".zephyr"),
        };
        let mut command = Command::new(workspace.target.join("debug/zephyr"));
        command
            .current_dir(&workspace.root)
            .args(arguments(options))
            .arg("--data")
            .arg(&data);
        children.start("the origin", command)?;

        let deadline = Instant::now() + READY_LIMIT;
        let ready = || {
            probe::get(options.origin_port, "/-/ready", None)
                .is_ok_and(|answer| answer.status == 200)
        };
        while !ready() {
            if children.stopping()? {
                return Ok(None);
            }
            anyhow::ensure!(
                Instant::now() < deadline,
                "the origin is not ready after {} s",
                READY_LIMIT.as_secs()
            );
        }
        let origin = Origin {
            url: format!("http://127.0.0.1:{}", options.origin_port),
            token: token(&data)?,
            data,
        };
        progress::line(&format!("the origin is ready at {}", origin.url));
        Ok(Some(origin))
    }
}

/// What `zephyr dev` is told. Its own edge nodes stay away.
fn arguments(options: &Options) -> Vec<String> {
    let mut words = vec!["dev".to_owned(), "--edges=0".to_owned()];
    words.push(format!("--origin-port={}", options.origin_port));
    if options.no_seed {
        words.push("--no-seed".to_owned());
    } else {
        words.push(format!("--listings={}", options.listings));
    }
    words
}

/// `zephyr dev` keeps it there from its first start on.
fn token(data: &Path) -> anyhow::Result<String> {
    let file = data.join("edge-token");
    let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(no_seed: bool) -> Options {
        Options {
            edges: 1,
            edge_port: 8080,
            edge_admin_port: 9080,
            origin_port: 7001,
            data: None,
            listings: 50,
            no_seed,
        }
    }

    #[test]
    fn the_origin_comes_without_edge_nodes() {
        let words = arguments(&options(false));
        assert_eq!(
            words,
            ["dev", "--edges=0", "--origin-port=7001", "--listings=50"]
        );
        assert!(arguments(&options(true)).contains(&"--no-seed".to_owned()));
    }

    #[test]
    fn the_token_is_read_without_its_line_end() {
        let folder = tempfile::tempdir().unwrap();
        token(folder.path()).unwrap_err();
        fs::write(folder.path().join("edge-token"), "abc\n").unwrap();
        assert_eq!(token(folder.path()).unwrap(), "abc");
    }
}

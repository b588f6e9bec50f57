//! The edge in Cloudflare's own runtime, which `wrangler dev` runs on this machine.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::children::Children;
use super::cron;
use super::options::Options;
use super::origin::Origin;
use crate::build::worker;
use crate::progress;
use crate::tools::Tools;
use crate::workspace::Workspace;

/// The worker's configuration, at the workspace's root.
const CONFIG: &str = "wrangler.toml";

/// Ends with Ctrl-C, or with the first process that ends.
pub(super) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    let config = workspace.root.join(CONFIG);
    anyhow::ensure!(config.is_file(), "there is no {}", config.display());
    refuse_other_secrets(&workspace.root)?;
    let tools = worker::build(workspace)?;
    super::build_zephyr(workspace)?;

    let mut children = Children::new()?;
    let Some(origin) = Origin::start(workspace, options, &mut children)? else {
        return Ok(());
    };
    let secrets = write_secrets(&origin)?;
    let command = command(workspace, options, &tools, &origin, &secrets)?;
    children.start("wrangler", command)?;
    cron::start(options.edge_port);
    progress::line(&format!(
        "wrangler serves http://127.0.0.1:{}; Ctrl-C stops all",
        options.edge_port
    ));
    children.wait()
}

fn command(
    workspace: &Workspace,
    options: &Options,
    tools: &Tools,
    origin: &Origin,
    secrets: &Path,
) -> anyhow::Result<Command> {
    let mut command = Command::new(tools.node());
    command
        .current_dir(&workspace.root)
        .arg(tools.wrangler())
        .args(["dev", "--config", CONFIG, "--local", "--test-scheduled"])
        .args(["--ip", "127.0.0.1", "--port"])
        .arg(options.edge_port.to_string())
        // Any free one: the default is fixed, and so is taken by a second wrangler.
        .args(["--inspector-port", "0", "--env-file"])
        .arg(secrets)
        .arg("--persist-to")
        .arg(origin.data.join("wrangler"))
        .env("PATH", tools.path()?)
        .env("CI", "true")
        .env("WRANGLER_SEND_METRICS", "false");
    Ok(command)
}

/// Values that differ between starts. In a file, since all users see a command line.
fn write_secrets(origin: &Origin) -> anyhow::Result<PathBuf> {
    let file = origin.data.join("wrangler.env");
    let text = format!("ORIGIN_URL={}\nEDGE_TOKEN={}\n", origin.url, origin.token);
    let write = || {
        // A file that is there keeps its mode, so a new one takes its place.
        let part = file.with_extension("part");
        let _ = fs::remove_file(&part);
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part)?
            .write_all(text.as_bytes())?;
        fs::rename(&part, &file)
    };
    write().with_context(|| format!("writing {}", file.display()))?;
    Ok(file)
}

/// Wrangler reads no other file where there is a `.dev.vars`.
fn refuse_other_secrets(root: &Path) -> anyhow::Result<()> {
    let file = root.join(".dev.vars");
    anyhow::ensure!(
        !file.exists(),
        "{} hides the origin's address and token from the worker; remove it",
        file.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn secrets_are_for_us_alone() {
        let folder = tempfile::tempdir().unwrap();
        let origin = Origin {
            url: "http://127.0.0.1:1".into(),
            token: "abc".into(),
            data: folder.path().into(),
        };
        fs::write(folder.path().join("wrangler.env"), "old").unwrap();
        let file = write_secrets(&origin).unwrap();
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            "ORIGIN_URL=http://127.0.0.1:1\nEDGE_TOKEN=abc\n"
        );
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_wrangler_would_prefer_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        refuse_other_secrets(folder.path()).unwrap();
        fs::write(folder.path().join(".dev.vars"), "").unwrap();
        refuse_other_secrets(folder.path()).unwrap_err();
    }
}

//! A private Redis: `REDIS_URL`, else the machine's server, else Debian's package.
#![expect(clippy::print_stderr, reason = "the set-up says what takes long")]

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

/// A Redis for tests. A private one ends when it is dropped.
#[derive(Debug)]
pub struct Redis {
    url: String,
    _private: Option<(Child, TempDir)>,
}

impl Redis {
    /// Finds or starts one.
    ///
    /// # Errors
    ///
    /// There is none, and none can be installed; the error names the command that brings it.
    pub async fn start() -> anyhow::Result<Self> {
        if let Ok(url) = std::env::var("REDIS_URL") {
            return Ok(Self {
                url,
                _private: None,
            });
        }
        let program = match find() {
            Some(program) => program,
            None => {
                install().await?;
                find().context("the package redis-server brought no redis-server")?
            }
        };
        let folder = tempfile::tempdir().context("a folder for Redis")?;
        let socket = folder.path().join("redis.sock");
        let mut child = Command::new(&program)
            .args([
                "--port",
                "0",
                "--save",
                "",
                "--appendonly",
                "no",
                "--unixsocketperm",
                "700",
            ])
            .arg("--unixsocket")
            .arg(&socket)
            .arg("--dir")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // Ctrl-C is for whom it was meant for; this ends with us.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while UnixStream::connect(&socket).await.is_err() {
            if let Some(status) = child.try_wait()? {
                bail!("redis-server ended with {status}");
            }
            ensure!(
                tokio::time::Instant::now() < deadline,
                "redis-server did not answer"
            );
            // Nothing tells when a server accepts connections; asking again does.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let url = format!("redis+unix://{}", socket.display());
        Ok(Self {
            url,
            _private: Some((child, folder)),
        })
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join("redis-server"))
        .find(|file| file.is_file())
}

/// Debian's package, without starting its service.
async fn install() -> anyhow::Result<()> {
    const HINT: &str = "tests need Redis: run `apt-get install redis-server`, or set REDIS_URL";
    eprintln!("with-services: no redis-server on this machine; installing Debian's package");
    for arguments in [
        &["update"][..],
        &[
            "install",
            "--yes",
            "--no-install-recommends",
            "redis-server",
        ],
    ] {
        let status = Command::new("apt-get")
            // Another of our processes may be at the same: wait for it.
            .args(["-o", "DPkg::Lock::Timeout=300"])
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("RUNLEVEL", "1")
            .stdout(Stdio::null())
            .status()
            .await
            .context(HINT)?;
        ensure!(status.success(), HINT);
    }
    Ok(())
}

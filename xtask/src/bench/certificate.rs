//! The certificate that both servers show.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::server::subfolder;
use crate::process;

/// A chain of one, and its key, as PEM files.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificate {
    /// Makes one for `localhost` with a P-256 key, as most sites have it, good for two days.
    pub(crate) fn make(folder: &Path) -> anyhow::Result<Self> {
        let folder = subfolder(folder, "certificate")?;
        let made = Self {
            chain: folder.join("chain.pem"),
            key: folder.join("key.pem"),
        };
        let mut command = Command::new("openssl");
        command
            .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"])
            .args(["-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-subj", "/CN=localhost"])
            .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
            .arg("-keyout")
            .arg(&made.key)
            .arg("-out")
            .arg(&made.chain);
        process::run_bounded(&mut command, Duration::from_secs(60))?;
        Ok(made)
    }
}

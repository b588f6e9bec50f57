//! The Spin component under `spin up`, where Spin is on the machine.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::network;
use crate::case::Exchange;
use crate::run::Target;
use crate::wire::Message;

/// Spin's program.
pub(crate) struct RealSpin(PathBuf);

/// `spin up`, running.
pub(crate) struct RunningSpin {
    address: SocketAddr,
    _child: Child,
    _folder: TempDir,
}

impl RealSpin {
    pub(crate) fn find() -> Option<Self> {
        let path = std::env::var_os("PATH")?;
        let spin = std::env::split_paths(&path).map(|folder| folder.join("spin"));
        spin.into_iter().find(|file| file.is_file()).map(Self)
    }

    pub(crate) async fn start(self, config: &str, upstream: SocketAddr) -> RunningSpin {
        let folder = tempfile::tempdir().unwrap();
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spin.toml");
        let address = super::workerd::free_address();
        let child = Command::new(self.0)
            .args(["up", "--from"])
            .arg(manifest)
            .args(["--listen", &address.to_string(), "--state-dir"])
            .arg(folder.path())
            .env("SPIN_VARIABLE_ORIGIN_URL", format!("http://{upstream}"))
            .env("SPIN_VARIABLE_ZEPHYR_CONFIG", config)
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let listening = async {
            while tokio::net::TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(120), listening)
            .await
            .expect("Spin listens");
        RunningSpin {
            address,
            _child: child,
            _folder: folder,
        }
    }
}

impl Target for RunningSpin {
    async fn ask(&self, request: &Exchange) -> Result<Message, String> {
        network::ask(self.address, request).await
    }
}

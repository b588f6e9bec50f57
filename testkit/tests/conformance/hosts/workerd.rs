//! `wrangler dev` with the Worker that `cargo xtask build worker` has made, in a folder of its own.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use toml::{Table, Value};
use zephyr_testkit::components;

use super::network;
use crate::case::Exchange;
use crate::run::Target;
use crate::wire::Message;

/// How long wrangler may take to be ready: it starts Node, esbuild and workerd.
const START: Duration = Duration::from_secs(180);

/// `wrangler dev`, running.
pub(crate) struct Workerd {
    address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

/// An address that is free now. Wrangler does not say which port it took, so it has to be told one.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// The folder of pinned tools, beside the components in cargo's target folder.
fn tools() -> PathBuf {
    components::folder().join("../tools/npm/node_modules")
}

impl Workerd {
    pub(crate) async fn start(config: &str) -> Self {
        Self::start_with(&[("ZEPHYR_CONFIG", config)]).await
    }

    pub(crate) async fn start_with(variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("wrangler.toml"),
            wrangler_toml(variables),
        )
        .unwrap();
        let address = free_address();
        let node = tools().join("node/bin");
        let path = std::env::join_paths(
            std::iter::once(node.clone())
                .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
        );
        let mut child = Command::new(node.join("node"))
            .arg(tools().join("wrangler/bin/wrangler.js"))
            .args([
                "dev",
                "--local",
                "--test-scheduled",
                "--ip",
                "127.0.0.1",
                "--port",
            ])
            .arg(address.port().to_string())
            .args(["--inspector-port", "0", "--persist-to"])
            .arg(folder.path().join("state"))
            .current_dir(folder.path())
            .env("PATH", path.unwrap())
            .env("HOME", folder.path())
            .env("CI", "true")
            .env("WRANGLER_SEND_METRICS", "false")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Its own group: workerd is a child of wrangler's child.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .expect("`cargo xtask test` installs wrangler");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = Vec::new();
        let ready = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                let is_ready = line.contains("Ready on");
                said.push(line);
                if is_ready {
                    return true;
                }
            }
            false
        };
        let ready = tokio::time::timeout(START, ready).await;
        assert!(
            ready == Ok(true),
            "wrangler did not get ready:\n{}",
            said.join("\n")
        );
        // What it says from here on must not fill the pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self {
            address,
            child,
            _folder: folder,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Workerd {
    fn drop(&mut self) {
        if let Some(id) = self.child.id()
            && let Some(group) = i32::try_from(id)
                .ok()
                .and_then(rustix::process::Pid::from_raw)
        {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

/// The repository's own file, without its build step and with these variables.
fn wrangler_toml(variables: &[(&str, &str)]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap();
    let text = std::fs::read_to_string(root.join("wrangler.toml")).unwrap();
    let mut table: Table = text.parse().unwrap();
    table.remove("build");
    let main = root.join(table["main"].as_str().unwrap());
    assert!(
        main.is_file(),
        "`cargo xtask test` builds {}",
        main.display()
    );
    table.insert("main".to_owned(), Value::String(main.display().to_string()));
    let vars = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).into()));
    table.insert("vars".to_owned(), Value::Table(vars.collect()));
    toml::to_string(&table).unwrap()
}

impl Target for Workerd {
    async fn ask(&self, request: &Exchange) -> Result<Message, String> {
        network::ask(self.address, request).await
    }
}

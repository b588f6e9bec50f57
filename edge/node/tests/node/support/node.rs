//! A node under test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use zephyr_edge::{Config, Node, Options, ParseOptions, Secrets};

use super::{Answer, PATIENCE, get};

/// A running node with a data folder of its own.
pub(crate) struct TestNode {
    node: Node,
    pub(crate) data_dir: TempDir,
}

impl TestNode {
    /// Starts a node with this configuration; `[listen]` comes with ports of its own unless the
    /// text has one.
    pub(crate) async fn start(config: &str) -> Self {
        Self::try_start(config, Secrets::default()).await.unwrap()
    }

    pub(crate) async fn try_start(config: &str, secrets: Secrets) -> anyhow::Result<Self> {
        Self::start_in(tempfile::tempdir().unwrap(), config, secrets).await
    }

    /// Starts a node on a data folder that another one has left.
    pub(crate) async fn start_in(
        data_dir: TempDir,
        config: &str,
        secrets: Secrets,
    ) -> anyhow::Result<Self> {
        let more = Options {
            secrets,
            ..Options::default()
        };
        Self::start_with(data_dir, config, more).await
    }

    /// The same, with more than secrets.
    pub(crate) async fn start_with(
        data_dir: TempDir,
        config: &str,
        more: Options,
    ) -> anyhow::Result<Self> {
        let file = data_dir.path().join("zephyr.toml");
        std::fs::write(&file, whole(data_dir.path(), config)).unwrap();
        let options = Options {
            reread: Some(Arc::new({
                let file = file.clone();
                move || read(&file)
            })),
            ..more
        };
        let config = read(&file)?;
        let node = Node::start_with(config, options).await?;
        Ok(Self { node, data_dir })
    }

    /// Replaces the configuration file; the node does not know yet.
    pub(crate) fn write_config(&self, config: &str) {
        let file = self.data_dir.path().join("zephyr.toml");
        std::fs::write(file, whole(self.data_dir.path(), config)).unwrap();
    }

    /// Replaces the configuration file and asks the admin port to read it.
    pub(crate) async fn reload(&self, config: &str) -> Answer {
        self.write_config(config);
        let post = http::Request::post("/-/reload").body(String::new());
        super::request(self.admin(), post.unwrap()).await
    }

    pub(crate) fn http(&self) -> SocketAddr {
        self.node.http_addr()
    }

    pub(crate) fn https(&self) -> SocketAddr {
        self.node.https_addr().expect("a TLS port")
    }

    pub(crate) fn admin(&self) -> SocketAddr {
        self.node.admin_addr().expect("an admin port")
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        get(self.http(), path).await
    }

    /// The value of a line of the metrics.
    pub(crate) async fn metric(&self, line: &str) -> u64 {
        let text = get(self.admin(), "/-/metrics").await.body;
        let found = text
            .lines()
            .find_map(|l| l.strip_prefix(line)?.strip_prefix(' '));
        found
            .unwrap_or_else(|| panic!("no metric {line} in\n{text}"))
            .parse()
            .unwrap()
    }

    /// Waits until a line of the metrics has reached a value.
    pub(crate) async fn until(&self, line: &str, value: u64) {
        self.until_it_is(line, |now| now >= value).await;
    }

    /// Waits until a metric is what it should be.
    pub(crate) async fn until_it_is(&self, line: &str, right: impl Fn(u64) -> bool) {
        let reached = async {
            while !right(self.metric(line).await) {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        let reached = tokio::time::timeout(PATIENCE, reached).await;
        reached.unwrap_or_else(|_| panic!("{line} does not become what it should be"));
    }

    /// Ends as a node does that another one has taken over from.
    pub(crate) async fn leave(self) {
        self.node.handed_over().await;
        self.node.leave().await;
    }

    /// Stops the node; its data folder stays.
    pub(crate) async fn stop(self) -> TempDir {
        self.node.shutdown().await;
        self.data_dir
    }
}

fn read(file: &Path) -> anyhow::Result<Config> {
    let options = ParseOptions {
        file: "zephyr.toml".into(),
        base_dir: file.parent().unwrap().to_owned(),
        components_dir: components_dir(),
    };
    Ok(Config::parse(&std::fs::read_to_string(file)?, &options)?)
}

/// A configuration with what it does not say about the node, listening and logging.
fn whole(data_dir: &Path, config: &str) -> String {
    let mut text = format!("[node]\nthreads = 2\ndata_dir = {data_dir:?}\n");
    if !config.contains("[listen]") {
        text.push_str("[listen]\nhttp = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n");
    }
    if !config.contains("[log]") {
        text.push_str("[log]\naccess = false\n");
    }
    text.push_str(config);
    text
}

/// Where `cargo xtask` has put the components.
pub(crate) fn components_dir() -> PathBuf {
    if let Some(folder) = std::env::var_os("ZEPHYR_COMPONENTS") {
        return folder.into();
    }
    // This test runs from <target>/debug/deps.
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(3).unwrap();
    target.join("components")
}

//! Zephyr's own node, with components.

use tempfile::TempDir;
use zephyr_edge::{Config, Node, ParseOptions, Secrets};
use zephyr_testkit::components;

use super::network;
use crate::case::Exchange;
use crate::run::Target;
use crate::wire::Message;

/// A node.
pub(crate) struct NodeHost {
    node: Node,
    _folder: TempDir,
}

impl NodeHost {
    pub(crate) async fn start(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[node]\nthreads = 1\ndata_dir = {:?}\n{config}",
            folder.path()
        );
        let options = ParseOptions {
            file: "zephyr.toml".into(),
            base_dir: folder.path().to_owned(),
            components_dir: components::folder(),
        };
        let config = Config::parse(&text, &options).unwrap();
        Self {
            node: Node::start(config, Secrets::default()).await.unwrap(),
            _folder: folder,
        }
    }

    pub(crate) async fn stop(self) {
        self.node.shutdown().await;
    }
}

impl Target for NodeHost {
    async fn ask(&self, request: &Exchange) -> Result<Message, String> {
        network::ask(self.node.http_addr(), request).await
    }
}

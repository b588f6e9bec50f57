//! The Spin component, from the repository's own `spin.toml`, in the node's Spin loader.

use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;
use zephyr_edge::config::KvBackend;
use zephyr_edge::spin::{Manifest, Options, to_config};
use zephyr_edge::{Node, Secrets};

use super::network;
use crate::case::Exchange;
use crate::run::Target;
use crate::wire::Message;

/// A node that runs the application.
pub(crate) struct SpinHost {
    node: Node,
    _folder: TempDir,
}

impl SpinHost {
    pub(crate) async fn start(config: &str, upstream: SocketAddr) -> Self {
        Self::start_with(&[
            ("SPIN_VARIABLE_ORIGIN_URL", &format!("http://{upstream}")),
            ("SPIN_VARIABLE_ZEPHYR_CONFIG", config),
        ])
        .await
    }

    pub(crate) async fn start_with(variables: &[(&str, &str)]) -> Self {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spin.toml");
        let manifest = Manifest::load(&manifest).unwrap();
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let folder = tempfile::tempdir().unwrap();
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut options = Options::new(listen, folder.path().to_owned());
        options.threads = 1;
        options.kv = KvBackend::Memory;
        let variables = variables.iter().map(own).collect();
        let config = to_config(&manifest, &variables, &options).unwrap();
        Self {
            node: Node::start(config, Secrets::default()).await.unwrap(),
            _folder: folder,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.node.http_addr()
    }

    pub(crate) async fn stop(self) {
        self.node.shutdown().await;
    }
}

impl Target for SpinHost {
    async fn ask(&self, request: &Exchange) -> Result<Message, String> {
        network::ask(self.address(), request).await
    }
}

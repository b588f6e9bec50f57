//! Runs a node from a configuration file until it is interrupted, for profiling: nothing but the
//! node is in the process. `cargo run -p zephyr-edge --example serve -- <zephyr.toml> [components]`

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use zephyr_edge::{Config, Node, Secrets};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let file = arguments
        .next()
        .context("usage: serve <zephyr.toml> [components]")?;
    let components = arguments
        .next()
        .unwrap_or_else(|| PathBuf::from("components"));
    let node = Node::start(
        Config::load(Path::new(&file), &components)?,
        Secrets::default(),
    )
    .await?;
    tokio::signal::ctrl_c().await?;
    node.shutdown().await;
    Ok(())
}

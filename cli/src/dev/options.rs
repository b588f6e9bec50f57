//! The options of `dev`: of `zephyr dev`, and of `cargo xtask dev`, which includes this file so that
//! a mistake in them is found before anything is built.

use std::path::PathBuf;

/// What `dev` can be told.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// How many edge nodes to start; further ones take the following pairs of ports, and 0 starts
    /// only what is behind them
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=16))]
    pub(crate) edges: u16,

    /// Port of the first edge node; 0 takes any free one
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub(crate) edge_port: u16,

    /// Port of the first edge node's admin listener (health and metrics); 0 takes any free one
    #[arg(long, value_name = "PORT", default_value_t = 9080)]
    pub(crate) edge_admin_port: u16,

    /// Port of the origin; 0 takes any free one
    #[arg(long, value_name = "PORT", default_value_t = 8081)]
    pub(crate) origin_port: u16,

    /// Folder that keeps the database, keys and tokens between starts [default: .zephyr]
    #[arg(long, value_name = "DIR", env = "ZEPHYR_DATA")]
    pub(crate) data: Option<PathBuf>,

    /// How many listings the first start makes
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) listings: u32,

    /// Start with empty tables
    #[arg(long, conflicts_with = "listings")]
    pub(crate) no_seed: bool,
}

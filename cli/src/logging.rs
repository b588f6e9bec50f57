//! Log lines on standard error. What is logged is chosen by `RUST_LOG`; standard output is left to
//! what a command prints and to the edge's access log.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::exit;

/// Without `RUST_LOG`: what happens, and of libraries only what is wrong.
const DEFAULT: &str = "warn,zephyr=info,zephyr_edge=info,zephyr_origin=info,zephyr_auth=info,\
    zephyr_listings=info,zephyr_control=info,zephyr_db=info,zephyr_http=info,zephyr_kv=info";

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs: one JSON object a line
    Json,
}

/// Sets up logging for the whole process.
pub(crate) fn install(format: Format) -> anyhow::Result<()> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(text) if !text.is_empty() => {
            EnvFilter::try_new(&text).map_err(|error| exit::usage(format!("RUST_LOG: {error}")))?
        }
        _ => EnvFilter::new(DEFAULT),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        Format::Text => builder.compact().init(),
        Format::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_filter_is_legal() {
        EnvFilter::try_new(DEFAULT).unwrap();
    }
}

//! Which metrics there are. docs/operations.md lists them all.

mod cache;
mod components;
mod configuration;
mod connections;
mod requests;
mod tls;
mod upstreams;

use super::process;
use super::text::{Family, Format, Text};
use crate::shared::Shared;

/// All metrics of a node.
pub(crate) fn render(node: &Shared, format: Format) -> String {
    let mut text = Text::new(format);
    process::render(&mut text, node.started_at);
    configuration::render(&mut text, node);
    connections::render(&mut text, node);
    tls::render(&mut text, node);
    requests::render(&mut text, node);
    cache::render(&mut text, node);
    components::render(&mut text, node);
    upstreams::render(&mut text, node);
    text.finish()
}

//! What runs, and with which configuration.

use std::sync::atomic::Ordering::Relaxed;
use std::time::UNIX_EPOCH;

use super::Text;
use crate::shared::Shared;

pub(super) fn render(text: &mut Text, node: &Shared) {
    text.gauges("zephyr_edge_build_info", "The version that runs; always 1.")
        .line(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    text.gauge(
        "zephyr_edge_ready",
        "Whether /-/ready says so: 1 or 0.",
        u8::from(node.ready.load(Relaxed)),
    );
    let generation = node.generation();
    text.gauge(
        "zephyr_edge_config_generation",
        "Number of the configuration in force.",
        generation.number,
    );
    let loaded = generation.loaded_at.duration_since(UNIX_EPOCH);
    text.gauge(
        "zephyr_edge_config_loaded_timestamp_seconds",
        "When the configuration in force was loaded.",
        loaded.unwrap_or_default().as_secs(),
    );
    let mut reloads = text.counters(
        "zephyr_edge_config_reloads_total",
        "Reloads of the configuration, by result.",
    );
    let (accepted, refused) = node.reloads.counts();
    reloads.line(&[("result", "accepted")], accepted);
    reloads.line(&[("result", "refused")], refused);
}

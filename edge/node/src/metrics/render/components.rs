//! Calls of components, by component.

use super::Text;
use crate::shared::Shared;
use crate::wasm::CountersSnapshot;

pub(super) fn render(text: &mut Text, node: &Shared) {
    let generation = node.generation();
    let all: Vec<_> = generation
        .components
        .iter()
        .map(|component| (component.name(), component.counters().snapshot()))
        .collect();
    type Read = fn(&CountersSnapshot) -> u64;
    let rows: [(&str, &str, Read); 7] = [
        (
            "zephyr_edge_component_calls_total",
            "Calls of components.",
            |c| c.calls,
        ),
        (
            "zephyr_edge_component_traps_total",
            "Calls that ended in a trap.",
            |c| c.traps,
        ),
        (
            "zephyr_edge_component_deadlines_total",
            "Calls cut off at their deadline.",
            |c| c.deadlines,
        ),
        (
            "zephyr_edge_component_out_of_memory_total",
            "Calls that ran out of memory.",
            |c| c.out_of_memory,
        ),
        (
            "zephyr_edge_component_saturated_total",
            "Calls that found no instance free.",
            |c| c.saturated,
        ),
        (
            "zephyr_edge_component_invalid_replies_total",
            "Calls with an illegal reply.",
            |c| c.invalid_replies,
        ),
        (
            "zephyr_edge_component_instantiations_total",
            "Instances made.",
            |c| c.instantiations,
        ),
    ];
    for (name, help, read) in rows {
        let mut family = text.counters(name, help);
        for (component, counters) in &all {
            family.line(&[("component", component)], read(counters));
        }
    }
    let mut instances = text.gauges("zephyr_edge_component_instances", "Instances there are.");
    for (component, counters) in &all {
        instances.line(&[("component", component)], counters.live_instances);
    }
}

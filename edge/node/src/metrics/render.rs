//! The counts as Prometheus text (exposition format 0.0.4).

use std::fmt::{Display, Write as _};
use std::sync::atomic::Ordering::Relaxed;

use super::{BUCKETS, Count};
use crate::shared::Shared;

/// All metrics of a node.
pub(crate) fn render(node: &Shared) -> String {
    let mut text = Text(String::with_capacity(16 * 1024));
    connections(&mut text, node);
    requests(&mut text, node);
    cache(&mut text, node);
    components(&mut text, node);
    upstreams(&mut text, node);
    text.0
}

struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Label values here are names from the configuration, which need no escaping.
    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (at, (label, value)) in labels.iter().enumerate() {
            let open = if at == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{open}{label}=\"{value}\"");
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        self.line(name, &[], value);
    }
}

fn connections(text: &mut Text, node: &Shared) {
    let sum = |what| node.metrics.sum(what);
    let (accepted, closed) = (sum(Count::Accepted), sum(Count::Closed));
    let open = accepted.saturating_sub(closed);
    text.single(
        "zephyr_edge_connections_open",
        "gauge",
        "Client connections open.",
        open,
    );
    for (name, help, what) in [
        ("accepted", "Client connections accepted.", Count::Accepted),
        (
            "turned_away",
            "Client connections closed because there were too many.",
            Count::TurnedAway,
        ),
        (
            "stalled",
            "Client connections closed because the peer stopped.",
            Count::Stalled,
        ),
    ] {
        let name = format!("zephyr_edge_connections_{name}_total");
        text.single(&name, "counter", help, sum(what));
    }
    let refused = sum(Count::Refused);
    text.single(
        "zephyr_edge_heads_refused_total",
        "counter",
        "Requests that were not strict HTTP.",
        refused,
    );
    text.single(
        "zephyr_edge_tunnels_open",
        "gauge",
        "Connections that an upgrade has turned into tunnels.",
        node.tunnels.load(Relaxed),
    );
    for (name, help, what) in [
        ("opened", "Tunnels opened.", Count::Tunnels),
        (
            "turned_away",
            "Handshakes refused because there were too many tunnels.",
            Count::TunnelsTurnedAway,
        ),
    ] {
        let name = format!("zephyr_edge_tunnels_{name}_total");
        text.single(&name, "counter", help, sum(what));
    }
    let dropped = sum(Count::LogDropped);
    text.single(
        "zephyr_edge_access_log_dropped_total",
        "counter",
        "Access log lines dropped.",
        dropped,
    );
}

fn requests(text: &mut Text, node: &Shared) {
    let names = || {
        node.routes
            .iter()
            .map(|route| &*route.name)
            .chain(["-"])
            .enumerate()
    };
    let name = "zephyr_edge_requests_total";
    text.head(
        name,
        "counter",
        "Requests answered, by route and class of status.",
    );
    for (route, label) in names() {
        for (class, class_label) in ["other", "1xx", "2xx", "3xx", "4xx", "5xx"]
            .iter()
            .enumerate()
        {
            let value = node
                .metrics
                .of_route(route, |counts| &counts.classes[class]);
            if value > 0 || class >= 2 {
                text.line(name, &[("route", label), ("class", class_label)], value);
            }
        }
    }
    let name = "zephyr_edge_response_bytes_total";
    text.head(
        name,
        "counter",
        "Bytes of bodies sent to clients, by route.",
    );
    for (route, label) in names() {
        let value = node.metrics.of_route(route, |counts| &counts.bytes);
        text.line(name, &[("route", label)], value);
    }
    text.head(
        "zephyr_edge_request_seconds",
        "histogram",
        "Time to answer, by route.",
    );
    for (route, label) in names() {
        let mut count = 0;
        for bucket in 0..=BUCKETS.len() {
            count += node
                .metrics
                .of_route(route, |counts| &counts.buckets[bucket]);
            let bound = BUCKETS
                .get(bucket)
                .map_or_else(|| "+Inf".into(), |bound| seconds(*bound));
            let labels = [("route", label), ("le", bound.as_str())];
            text.line("zephyr_edge_request_seconds_bucket", &labels, count);
        }
        let micros = node.metrics.of_route(route, |counts| &counts.micros);
        text.line(
            "zephyr_edge_request_seconds_sum",
            &[("route", label)],
            seconds(micros),
        );
        text.line(
            "zephyr_edge_request_seconds_count",
            &[("route", label)],
            count,
        );
    }
}

fn seconds(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn cache(text: &mut Text, node: &Shared) {
    let stats = node.cache.stats();
    text.single(
        "zephyr_edge_cache_hits_total",
        "counter",
        "Requests answered from the cache.",
        stats.hits,
    );
    text.single(
        "zephyr_edge_cache_misses_total",
        "counter",
        "Requests that the cache had to ask for.",
        stats.misses,
    );
    text.single(
        "zephyr_edge_cache_entries",
        "gauge",
        "Answers stored.",
        stats.entries,
    );
    text.single(
        "zephyr_edge_cache_bytes",
        "gauge",
        "Bytes of answers stored.",
        stats.bytes,
    );
}

fn components(text: &mut Text, node: &Shared) {
    let all: Vec<_> = node
        .components
        .iter()
        .map(|component| (component.name(), component.counters().snapshot()))
        .collect();
    type Read = fn(&crate::wasm::CountersSnapshot) -> u64;
    let rows: [(&str, &str, &str, Read); 8] = [
        ("calls_total", "counter", "Calls of components.", |c| {
            c.calls
        }),
        (
            "traps_total",
            "counter",
            "Calls that ended in a trap.",
            |c| c.traps,
        ),
        (
            "deadlines_total",
            "counter",
            "Calls cut off at their deadline.",
            |c| c.deadlines,
        ),
        (
            "out_of_memory_total",
            "counter",
            "Calls that ran out of memory.",
            |c| c.out_of_memory,
        ),
        (
            "saturated_total",
            "counter",
            "Calls that found no instance free.",
            |c| c.saturated,
        ),
        (
            "invalid_replies_total",
            "counter",
            "Calls with an illegal reply.",
            |c| c.invalid_replies,
        ),
        ("instantiations_total", "counter", "Instances made.", |c| {
            c.instantiations
        }),
        ("instances", "gauge", "Instances there are.", |c| {
            c.live_instances
        }),
    ];
    for (name, kind, help, read) in rows {
        let name = format!("zephyr_edge_component_{name}");
        text.head(&name, kind, help);
        for (component, counters) in &all {
            text.line(&name, &[("component", component)], read(counters));
        }
    }
}

fn upstreams(text: &mut Text, node: &Shared) {
    let name = "zephyr_edge_upstream_in_flight";
    text.head(name, "gauge", "Requests being answered by upstreams.");
    for upstream in &node.upstreams {
        text.line(name, &[("upstream", &upstream.name)], upstream.in_flight());
    }
    type Read = fn(&crate::upstream::Counts) -> &std::sync::atomic::AtomicU64;
    let rows: [(&str, &str, Read); 7] = [
        ("requests", "Requests sent to upstreams.", |c| &c.requests),
        ("connections", "Connections made to upstreams.", |c| {
            &c.connections
        }),
        (
            "retries",
            "Requests sent again after a stale connection.",
            |c| &c.retries,
        ),
        (
            "connect_errors",
            "Connections that could not be made.",
            |c| &c.connect_errors,
        ),
        ("timeouts", "Answers that did not come in time.", |c| {
            &c.timeouts
        }),
        ("broken", "Answers that broke off or were not HTTP.", |c| {
            &c.broken
        }),
        (
            "saturated",
            "Requests turned away, too many being in flight.",
            |c| &c.saturated,
        ),
    ];
    for (name, help, read) in rows {
        let name = format!("zephyr_edge_upstream_{name}_total");
        text.head(&name, "counter", help);
        for upstream in &node.upstreams {
            let value = read(&upstream.counts).load(Relaxed);
            text.line(&name, &[("upstream", &upstream.name)], value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_exact() {
        for (micros, text) in [
            (0, "0"),
            (100, "0.0001"),
            (2_500_000, "2.5"),
            (10_000_000, "10"),
        ] {
            assert_eq!(seconds(micros), text);
        }
    }
}

//! The counts as Prometheus text (exposition format 0.0.4).

mod tls;
mod upstreams;

use std::fmt::{Display, Write as _};
use std::time::UNIX_EPOCH;

use super::{BUCKETS, Count, sum};
use crate::shared::Shared;

/// All metrics of a node.
pub(crate) fn render(node: &Shared) -> String {
    let mut text = Text(String::with_capacity(16 * 1024));
    configuration(&mut text, node);
    connections(&mut text, node);
    tls::render(&mut text, node);
    requests(&mut text, node);
    cache(&mut text, node);
    components(&mut text, node);
    upstreams::render(&mut text, node);
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

fn configuration(text: &mut Text, node: &Shared) {
    let generation = node.generation();
    text.single(
        "zephyr_edge_config_generation",
        "gauge",
        "Number of the configuration in force.",
        generation.number,
    );
    let loaded = generation.loaded_at.duration_since(UNIX_EPOCH);
    text.single(
        "zephyr_edge_config_loaded_timestamp_seconds",
        "gauge",
        "When the configuration in force was loaded.",
        loaded.unwrap_or_default().as_secs(),
    );
    let name = "zephyr_edge_config_reloads_total";
    text.head(name, "counter", "Reloads of the configuration, by result.");
    let (accepted, refused) = node.reloads.counts();
    text.line(name, &[("result", "accepted")], accepted);
    text.line(name, &[("result", "refused")], refused);
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
            "turned_away_by_address",
            "Client connections closed because their client had too many.",
            Count::TurnedAwayByAddress,
        ),
        (
            "proxy_refused",
            "Connections closed for their PROXY protocol header.",
            Count::ProxyRefused,
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
    let routes = node.metrics.by_route();
    let name = "zephyr_edge_requests_total";
    text.head(
        name,
        "counter",
        "Requests answered, by route and class of status.",
    );
    for (label, counts) in &routes {
        for (class, class_label) in ["other", "1xx", "2xx", "3xx", "4xx", "5xx"]
            .iter()
            .enumerate()
        {
            let value = sum(counts, |counts| &counts.classes[class]);
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
    for (label, counts) in &routes {
        let value = sum(counts, |counts| &counts.bytes);
        text.line(name, &[("route", label)], value);
    }
    text.head(
        "zephyr_edge_request_seconds",
        "histogram",
        "Time to answer, by route.",
    );
    for (label, counts) in &routes {
        let mut count = 0;
        for bucket in 0..=BUCKETS.len() {
            count += sum(counts, |counts| &counts.buckets[bucket]);
            let bound = BUCKETS
                .get(bucket)
                .map_or_else(|| "+Inf".into(), |bound| seconds(*bound));
            let labels = [("route", &**label), ("le", bound.as_str())];
            text.line("zephyr_edge_request_seconds_bucket", &labels, count);
        }
        let micros = sum(counts, |counts| &counts.micros);
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
    text.single(
        "zephyr_edge_cache_evicted_total",
        "counter",
        "Entries that had to make room in memory.",
        stats.evicted,
    );
    if let Some(disk) = node.cache.disk_stats() {
        cache_on_disk(text, &disk);
    }
}

fn cache_on_disk(text: &mut Text, disk: &crate::cache::DiskStats) {
    for (name, help, value) in [
        ("objects", "Answers on disk.", disk.objects),
        ("bytes", "Bytes of the cache's files.", disk.bytes),
        (
            "pending_bytes",
            "Bytes that wait to be written.",
            disk.pending_bytes,
        ),
        (
            "down",
            "Whether writing has failed lately.",
            disk.is_down.into(),
        ),
    ] {
        text.single(
            &format!("zephyr_edge_cache_disk_{name}"),
            "gauge",
            help,
            value,
        );
    }
    for (name, help, value) in [
        ("hits", "Bodies read from disk.", disk.hits),
        ("written", "Answers written to disk.", disk.written),
        (
            "written_bytes",
            "Bytes written to disk.",
            disk.written_bytes,
        ),
        (
            "evicted",
            "Answers that had to make room on disk.",
            disk.evicted,
        ),
        (
            "kept",
            "Answers written again because they were used.",
            disk.kept,
        ),
        (
            "not_admitted",
            "Answers not written: asked for once.",
            disk.not_admitted,
        ),
        (
            "dropped",
            "Answers not written: the disk did not follow.",
            disk.dropped,
        ),
        ("write_errors", "Writes that failed.", disk.write_errors),
        (
            "read_errors",
            "Reads that failed or were damaged.",
            disk.read_errors,
        ),
    ] {
        text.single(
            &format!("zephyr_edge_cache_disk_{name}_total"),
            "counter",
            help,
            value,
        );
    }
}

fn components(text: &mut Text, node: &Shared) {
    let generation = node.generation();
    let all: Vec<_> = generation
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

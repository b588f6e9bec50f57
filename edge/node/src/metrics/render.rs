//! Which metrics there are. docs/operations.md lists them all.

mod tls;
mod upstreams;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::UNIX_EPOCH;

use super::histogram::{BOUNDS, Histogram, Sum, seconds};
use super::text::{Format, Text};
use super::{CacheResult, Count, Protocol, RouteCounts, process, sum};
use crate::shared::Shared;

/// All metrics of a node.
pub(crate) fn render(node: &Shared, format: Format) -> String {
    let mut text = Text::new(format);
    process::render(&mut text, node.started_at);
    configuration(&mut text, node);
    connections(&mut text, node);
    tls::render(&mut text, node);
    requests(&mut text, node);
    cache_results(&mut text, node);
    cache(&mut text, node);
    components(&mut text, node);
    upstreams::render(&mut text, node);
    text.finish()
}

fn configuration(text: &mut Text, node: &Shared) {
    let name = "zephyr_edge_build_info";
    text.head(name, "gauge", "The version that runs; always 1.");
    text.line(name, &[("version", env!("CARGO_PKG_VERSION"))], 1);
    text.single(
        "zephyr_edge_ready",
        "gauge",
        "Whether /-/ready says so: 1 or 0.",
        u8::from(node.ready.load(Relaxed)),
    );
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
    text.single(
        "zephyr_edge_connections_open",
        "gauge",
        "Client connections open.",
        accepted.saturating_sub(closed),
    );
    let name = "zephyr_edge_protocol_connections_open";
    text.head(
        name,
        "gauge",
        "Client connections open that have shown which protocol they speak.",
    );
    for (protocol, label) in Protocol::ALL {
        text.line(name, &[("protocol", label)], node.metrics.open(protocol));
    }
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
        let value = sum(counts, |counts| &counts.sent);
        text.line(name, &[("route", label)], value);
    }
    let name = "zephyr_edge_request_bytes_total";
    text.head(
        name,
        "counter",
        "Bytes of bodies received from clients, by route.",
    );
    for (label, counts) in &routes {
        let value = sum(counts, |counts| &counts.received);
        text.line(name, &[("route", label)], value);
    }
    let took = ("zephyr_edge_request_seconds", "Time to answer, by route.");
    durations(text, took, &routes, |counts| &counts.took);
    let upstream = (
        "zephyr_edge_request_upstream_seconds",
        "Time until the upstream or service had answered a request with a head, by route.",
    );
    durations(text, upstream, &routes, |counts| &counts.upstream);
}

type Routes = BTreeMap<Arc<str>, Vec<Arc<RouteCounts>>>;

fn durations(
    text: &mut Text,
    (name, help): (&str, &str),
    routes: &Routes,
    read: fn(&RouteCounts) -> &Histogram,
) {
    text.head(name, "histogram", help);
    let (bucket, total, count) = (
        format!("{name}_bucket"),
        format!("{name}_sum"),
        format!("{name}_count"),
    );
    for (label, counts) in routes {
        let sum = Sum::of(counts.iter().map(|counts| read(counts)));
        for (at, below) in sum.buckets.iter().enumerate() {
            let bound = BOUNDS.get(at);
            let bound = bound.map_or_else(|| "+Inf".into(), |bound| seconds(*bound));
            text.line(&bucket, &[("route", label), ("le", &bound)], below);
        }
        let labels = [("route", &**label)];
        text.line(&total, &labels, seconds(sum.micros));
        text.line(&count, &labels, sum.buckets[BOUNDS.len()]);
    }
}

/// What the cache did, of routes that have one.
fn cache_results(text: &mut Text, node: &Shared) {
    let generation = node.generation();
    let mut routes = node.metrics.by_route();
    let cached = |name: &str| {
        let mut routes = generation.routes.iter();
        routes.any(|route| route.cache && *route.name == *name)
    };
    routes.retain(|name, _| cached(name));
    let of = |counts: &[Arc<RouteCounts>], result: CacheResult| {
        sum(counts, |counts| &counts.cache[result as usize])
    };
    let name = "zephyr_edge_cache_requests_total";
    text.head(
        name,
        "counter",
        "Requests of routes with a cache, by route and by what the cache did.",
    );
    for (label, counts) in &routes {
        for (result, result_label) in CacheResult::ALL {
            let labels = [("route", &**label), ("result", result_label)];
            text.line(name, &labels, of(counts, result));
        }
    }
    let name = "zephyr_edge_cache_hit_ratio";
    text.head(
        name,
        "gauge",
        "Part of the requests for the cache that cost the upstream no whole answer, since the start.",
    );
    for (label, counts) in &routes {
        use CacheResult::{Collapsed, Hit, Miss, Revalidated, Stale};
        let saved: u64 = [Hit, Stale, Revalidated, Collapsed]
            .into_iter()
            .map(|result| of(counts, result))
            .sum();
        let all = saved + of(counts, Miss);
        // Prometheus knows what is not a number.
        let ratio = match all {
            0 => "NaN".to_owned(),
            all => format!("{:.4}", saved as f64 / all as f64),
        };
        text.line(name, &[("route", label)], ratio);
    }
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
    text.single(
        "zephyr_edge_cache_slice_hits_total",
        "counter",
        "Slices of large answers that came from the cache.",
        stats.slice_hits,
    );
    text.single(
        "zephyr_edge_cache_slice_fills_total",
        "counter",
        "Slices of large answers that lacked and were fetched.",
        stats.slice_fills,
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

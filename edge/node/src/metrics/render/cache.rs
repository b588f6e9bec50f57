//! The cache: what it did for requests, and what it holds.

use super::Text;
use crate::cache::DiskStats;
use crate::metrics::CacheResult::{self, Collapsed, Hit, Miss, Revalidated, Stale};
use crate::metrics::sum;
use crate::shared::Shared;

pub(super) fn render(text: &mut Text, node: &Shared) {
    results(text, node);
    let stats = node.cache.stats();
    text.counter(
        "zephyr_edge_cache_hits_total",
        "Requests answered from the cache.",
        stats.hits,
    );
    text.counter(
        "zephyr_edge_cache_misses_total",
        "Requests that the cache had to ask for.",
        stats.misses,
    );
    text.gauge(
        "zephyr_edge_cache_entries",
        "Answers stored.",
        stats.entries,
    );
    text.gauge(
        "zephyr_edge_cache_bytes",
        "Bytes of answers stored.",
        stats.bytes,
    );
    text.counter(
        "zephyr_edge_cache_evicted_total",
        "Entries that had to make room in memory.",
        stats.evicted,
    );
    text.counter(
        "zephyr_edge_cache_slice_hits_total",
        "Slices of large answers that came from the cache.",
        stats.slice_hits,
    );
    text.counter(
        "zephyr_edge_cache_slice_fills_total",
        "Slices of large answers that lacked and were fetched.",
        stats.slice_fills,
    );
    if let Some(stats) = node.cache.disk_stats() {
        disk(text, &stats);
    }
}

/// What the cache did, of routes that have one.
fn results(text: &mut Text, node: &Shared) {
    let generation = node.generation();
    let mut routes = node.metrics.by_route();
    routes.retain(|name, _| {
        let mut known = generation.routes.iter();
        known.any(|route| route.cache && route.name == *name)
    });
    let mut requests = text.counters(
        "zephyr_edge_cache_requests_total",
        "Requests of routes with a cache, by route and by what the cache did.",
    );
    for (route, counts) in &routes {
        for (result, label) in CacheResult::ALL {
            let value = sum(counts, |counts| &counts.cache[result as usize]);
            requests.line(&[("route", route), ("result", label)], value);
        }
    }
    let mut ratios = text.gauges(
        "zephyr_edge_cache_hit_ratio",
        "Part of the requests for the cache that cost the upstream no whole answer, since the start.",
    );
    for (route, counts) in &routes {
        let of = |result: CacheResult| sum(counts, |counts| &counts.cache[result as usize]);
        let saved: u64 = [Hit, Stale, Revalidated, Collapsed].map(of).iter().sum();
        // Prometheus knows what is not a number.
        let ratio = match saved + of(Miss) {
            0 => "NaN".to_owned(),
            all => format!("{:.4}", saved as f64 / all as f64),
        };
        ratios.line(&[("route", route)], ratio);
    }
}

fn disk(text: &mut Text, stats: &DiskStats) {
    text.gauge(
        "zephyr_edge_cache_disk_objects",
        "Answers on disk.",
        stats.objects,
    );
    text.gauge(
        "zephyr_edge_cache_disk_bytes",
        "Bytes of the cache's files.",
        stats.bytes,
    );
    text.gauge(
        "zephyr_edge_cache_disk_pending_bytes",
        "Bytes that wait to be written.",
        stats.pending_bytes,
    );
    text.gauge(
        "zephyr_edge_cache_disk_down",
        "Whether writing has failed lately.",
        u8::from(stats.is_down),
    );
    for (name, help, value) in [
        (
            "zephyr_edge_cache_disk_hits_total",
            "Bodies read from disk.",
            stats.hits,
        ),
        (
            "zephyr_edge_cache_disk_written_total",
            "Answers written to disk.",
            stats.written,
        ),
        (
            "zephyr_edge_cache_disk_written_bytes_total",
            "Bytes written to disk.",
            stats.written_bytes,
        ),
        (
            "zephyr_edge_cache_disk_evicted_total",
            "Answers that had to make room on disk.",
            stats.evicted,
        ),
        (
            "zephyr_edge_cache_disk_kept_total",
            "Answers written again because they were used.",
            stats.kept,
        ),
        (
            "zephyr_edge_cache_disk_not_admitted_total",
            "Answers not written: asked for once.",
            stats.not_admitted,
        ),
        (
            "zephyr_edge_cache_disk_dropped_total",
            "Answers not written: the disk did not follow.",
            stats.dropped,
        ),
        (
            "zephyr_edge_cache_disk_write_errors_total",
            "Writes that failed.",
            stats.write_errors,
        ),
        (
            "zephyr_edge_cache_disk_read_errors_total",
            "Reads that failed or were damaged.",
            stats.read_errors,
        ),
    ] {
        text.counter(name, help, value);
    }
}

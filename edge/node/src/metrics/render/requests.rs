//! Requests, by route.

use super::Text;
use crate::metrics::histogram::{BOUNDS, Histogram, Sum, seconds};
use crate::metrics::{ByRoute, RouteCounts, sum};
use crate::shared::Shared;

pub(super) fn render(text: &mut Text, node: &Shared) {
    let routes = node.metrics.by_route();
    let mut answered = text.counters(
        "zephyr_edge_requests_total",
        "Requests answered, by route and class of status.",
    );
    let classes = ["other", "1xx", "2xx", "3xx", "4xx", "5xx"];
    for (route, counts) in &routes {
        for (class, label) in classes.iter().enumerate() {
            let value = sum(counts, |counts| &counts.classes[class]);
            if value > 0 || class >= 2 {
                answered.line(&[("route", route), ("class", label)], value);
            }
        }
    }
    let mut sent = text.counters(
        "zephyr_edge_response_bytes_total",
        "Bytes of bodies sent to clients, by route.",
    );
    for (route, counts) in &routes {
        sent.line(&[("route", route)], sum(counts, |counts| &counts.sent));
    }
    let mut received = text.counters(
        "zephyr_edge_request_bytes_total",
        "Bytes of bodies received from clients, by route.",
    );
    for (route, counts) in &routes {
        let value = sum(counts, |counts| &counts.received);
        received.line(&[("route", route)], value);
    }
    let took = ("zephyr_edge_request_seconds", "Time to answer, by route.");
    durations(text, took, &routes, |counts| &counts.took);
    let upstream = (
        "zephyr_edge_request_upstream_seconds",
        "Time until the upstream or service had answered a request with a head, by route.",
    );
    durations(text, upstream, &routes, |counts| &counts.upstream);
}

fn durations(
    text: &mut Text,
    (name, help): (&str, &str),
    routes: &ByRoute,
    read: fn(&RouteCounts) -> &Histogram,
) {
    let mut family = text.histograms(name, help);
    for (route, counts) in routes {
        let sum = Sum::of(counts.iter().map(|counts| read(counts)));
        for (at, below) in sum.buckets.iter().enumerate() {
            let bound = BOUNDS.get(at);
            let bound = bound.map_or_else(|| "+Inf".into(), |bound| seconds(*bound));
            family.line_of("_bucket", &[("route", route), ("le", &bound)], below);
        }
        let labels = [("route", &**route)];
        family.line_of("_sum", &labels, seconds(sum.micros));
        family.line_of("_count", &labels, sum.buckets[BOUNDS.len()]);
    }
}

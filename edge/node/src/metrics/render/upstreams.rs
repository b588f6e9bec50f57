//! What is counted of upstreams and of their servers.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use zephyr_balancer::BreakerState;

use super::{Family, Text};
use crate::metrics::histogram::seconds;
use crate::shared::Shared;
use crate::upstream::{Counts, Endpoint, FAILURES, Upstream};

pub(super) fn render(text: &mut Text, node: &Shared) {
    let generation = node.generation();
    let mut in_flight = text.gauges(
        "zephyr_edge_upstream_in_flight",
        "Requests being answered by upstreams.",
    );
    for upstream in &generation.upstreams {
        in_flight.line(&[("upstream", &upstream.name)], upstream.in_flight());
    }
    type Read = fn(&Counts) -> &AtomicU64;
    let rows: [(&str, &str, Read); 11] = [
        (
            "zephyr_edge_upstream_requests_total",
            "Requests sent to upstreams.",
            |c| &c.requests,
        ),
        (
            "zephyr_edge_upstream_connections_total",
            "Connections made to upstreams.",
            |c| &c.connections,
        ),
        (
            "zephyr_edge_upstream_retries_total",
            "Requests sent again, after a stale connection or to another server.",
            |c| &c.retries,
        ),
        (
            "zephyr_edge_upstream_over_budget_total",
            "Retries that the budget did not allow.",
            |c| &c.over_budget,
        ),
        (
            "zephyr_edge_upstream_hedges_total",
            "Requests sent to a second server because the first was slow.",
            |c| &c.hedges,
        ),
        (
            "zephyr_edge_upstream_connect_errors_total",
            "Connections that could not be made.",
            |c| &c.connect_errors,
        ),
        (
            "zephyr_edge_upstream_timeouts_total",
            "Answers that did not come in time.",
            |c| &c.timeouts,
        ),
        (
            "zephyr_edge_upstream_broken_total",
            "Answers that broke off or were not HTTP.",
            |c| &c.broken,
        ),
        (
            "zephyr_edge_upstream_saturated_total",
            "Requests turned away, too many being in flight.",
            |c| &c.saturated,
        ),
        (
            "zephyr_edge_upstream_breaker_open_total",
            "Requests turned away, the breaker being open.",
            |c| &c.breaker_open,
        ),
        (
            "zephyr_edge_upstream_dns_errors_total",
            "Look-ups of names that failed.",
            |c| &c.dns_errors,
        ),
    ];
    for (name, help, read) in rows {
        let mut family = text.counters(name, help);
        for upstream in &generation.upstreams {
            let value = read(&upstream.counts).load(Relaxed);
            family.line(&[("upstream", &upstream.name)], value);
        }
    }
    let mut breakers = text.gauges(
        "zephyr_edge_upstream_breaker",
        "0: closed, 1: half open, 2: open.",
    );
    for upstream in &generation.upstreams {
        let state = match upstream.breaker_state() {
            None => continue,
            Some(BreakerState::Closed) => 0,
            Some(BreakerState::HalfOpen) => 1,
            Some(BreakerState::Open) => 2,
        };
        breakers.line(&[("upstream", &upstream.name)], state);
    }
    servers(text, node);
}

fn servers(text: &mut Text, node: &Shared) {
    type Read = fn(&Upstream, &Endpoint) -> String;
    let counters: [(&str, &str, Read); 4] = [
        (
            "zephyr_edge_server_requests_total",
            "Requests sent to a server.",
            |_, e| e.counts.requests.load(Relaxed).to_string(),
        ),
        (
            "zephyr_edge_server_answer_seconds_total",
            "Time until the heads of answers, in all.",
            |_, e| seconds(e.counts.micros.load(Relaxed)),
        ),
        (
            "zephyr_edge_server_answers_total",
            "Heads of answers.",
            |_, e| e.counts.answers.load(Relaxed).to_string(),
        ),
        (
            "zephyr_edge_server_ejections_total",
            "Times that a server was left out for its failures.",
            |_, e| e.server.ejections().to_string(),
        ),
    ];
    let gauges: [(&str, &str, Read); 4] = [
        (
            "zephyr_edge_server_latency_seconds",
            "The average that the balancer goes by.",
            |_, e| {
                let micros = e.server.latency.average().as_micros();
                seconds(u64::try_from(micros).unwrap_or(u64::MAX))
            },
        ),
        (
            "zephyr_edge_server_in_flight",
            "Requests being answered by a server.",
            |_, e| e.server.in_flight().to_string(),
        ),
        (
            "zephyr_edge_server_idle_connections",
            "Unused connections kept.",
            |_, e| e.counts.idle.load(Relaxed).to_string(),
        ),
        (
            "zephyr_edge_server_usable",
            "1: asked; 0: left out, by checks or for its failures.",
            |u, e| u8::from(e.server.is_usable(u.now())).to_string(),
        ),
    ];
    let tell = |mut family: Family<'_>, read: Read| {
        each(node, |upstream, endpoint, address| {
            let labels = [("upstream", &*upstream.name), ("server", address)];
            family.line(&labels, read(upstream, endpoint));
        });
    };
    for (name, help, read) in counters {
        tell(text.counters(name, help), read);
    }
    for (name, help, read) in gauges {
        tell(text.gauges(name, help), read);
    }
    let split = |mut family: Family<'_>, label: &str, kinds: &[&str], of: Split| {
        each(node, |upstream, endpoint, address| {
            for (kind, count) in kinds.iter().zip(of(endpoint)) {
                let labels = [
                    ("upstream", &*upstream.name),
                    ("server", address),
                    (label, kind),
                ];
                family.line(&labels, count.load(Relaxed));
            }
        });
    };
    type Split = fn(&Endpoint) -> &[AtomicU64];
    let failures = text.counters(
        "zephyr_edge_server_failures_total",
        "Requests that failed at a server, by kind.",
    );
    split(failures, "kind", &FAILURES, |e| &e.counts.failures);
    let checks = text.counters(
        "zephyr_edge_server_checks_total",
        "Checks of a server, by outcome.",
    );
    split(checks, "outcome", &["good", "bad"], |e| &e.counts.checks);
}

fn each(node: &Shared, mut tell: impl FnMut(&Upstream, &Endpoint, &str)) {
    let generation = node.generation();
    for upstream in &generation.upstreams {
        let cluster = upstream.cluster.load();
        for endpoint in &cluster.endpoints {
            tell(upstream, endpoint, &endpoint.address.to_string());
        }
    }
}

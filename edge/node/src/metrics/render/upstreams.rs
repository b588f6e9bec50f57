//! What is counted of upstreams and of their servers.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use zephyr_balancer::BreakerState;

use super::{Text, seconds};
use crate::shared::Shared;
use crate::upstream::{Counts, Endpoint, FAILURES, Upstream};

pub(super) fn render(text: &mut Text, node: &Shared) {
    let generation = node.generation();
    let name = "zephyr_edge_upstream_in_flight";
    text.head(name, "gauge", "Requests being answered by upstreams.");
    for upstream in &generation.upstreams {
        text.line(name, &[("upstream", &upstream.name)], upstream.in_flight());
    }
    type Read = fn(&Counts) -> &AtomicU64;
    let rows: [(&str, &str, Read); 11] = [
        ("requests", "Requests sent to upstreams.", |c| &c.requests),
        ("connections", "Connections made to upstreams.", |c| {
            &c.connections
        }),
        (
            "retries",
            "Requests sent again, after a stale connection or to another server.",
            |c| &c.retries,
        ),
        (
            "over_budget",
            "Retries that the budget did not allow.",
            |c| &c.over_budget,
        ),
        (
            "hedges",
            "Requests sent to a second server because the first was slow.",
            |c| &c.hedges,
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
        (
            "breaker_open",
            "Requests turned away, the breaker being open.",
            |c| &c.breaker_open,
        ),
        ("dns_errors", "Look-ups of names that failed.", |c| {
            &c.dns_errors
        }),
    ];
    for (name, help, read) in rows {
        let name = format!("zephyr_edge_upstream_{name}_total");
        text.head(&name, "counter", help);
        for upstream in &generation.upstreams {
            let value = read(&upstream.counts).load(Relaxed);
            text.line(&name, &[("upstream", &upstream.name)], value);
        }
    }
    let name = "zephyr_edge_upstream_breaker";
    text.head(name, "gauge", "0: closed, 1: half open, 2: open.");
    for upstream in &generation.upstreams {
        let state = match upstream.breaker_state() {
            None => continue,
            Some(BreakerState::Closed) => 0,
            Some(BreakerState::HalfOpen) => 1,
            Some(BreakerState::Open) => 2,
        };
        text.line(name, &[("upstream", &upstream.name)], state);
    }
    servers(text, node);
}

fn servers(text: &mut Text, node: &Shared) {
    type Read = fn(&Upstream, &Endpoint) -> String;
    let rows: [(&str, &str, &str, Read); 8] = [
        (
            "requests_total",
            "counter",
            "Requests sent to a server.",
            |_, e| e.counts.requests.load(Relaxed).to_string(),
        ),
        (
            "answer_seconds_total",
            "counter",
            "Time until the heads of answers, in all.",
            |_, e| seconds(e.counts.micros.load(Relaxed)),
        ),
        ("answers_total", "counter", "Heads of answers.", |_, e| {
            e.counts.answers.load(Relaxed).to_string()
        }),
        (
            "latency_seconds",
            "gauge",
            "The average that the balancer goes by.",
            |_, e| {
                let micros = e.server.latency.average().as_micros();
                seconds(u64::try_from(micros).unwrap_or(u64::MAX))
            },
        ),
        (
            "in_flight",
            "gauge",
            "Requests being answered by a server.",
            |_, e| e.server.in_flight().to_string(),
        ),
        (
            "idle_connections",
            "gauge",
            "Unused connections kept.",
            |_, e| e.counts.idle.load(Relaxed).to_string(),
        ),
        (
            "ejections_total",
            "counter",
            "Times that a server was left out for its failures.",
            |_, e| e.server.ejections().to_string(),
        ),
        (
            "usable",
            "gauge",
            "1: asked; 0: left out, by checks or for its failures.",
            |u, e| u8::from(e.server.is_usable(u.now())).to_string(),
        ),
    ];
    for (name, kind, help, read) in rows {
        let name = format!("zephyr_edge_server_{name}");
        text.head(&name, kind, help);
        each(node, |upstream, endpoint, address| {
            let labels = [("upstream", &*upstream.name), ("server", address)];
            text.line(&name, &labels, read(upstream, endpoint));
        });
    }
    let name = "zephyr_edge_server_failures_total";
    text.head(
        name,
        "counter",
        "Requests that failed at a server, by kind.",
    );
    each(node, |upstream, endpoint, address| {
        for (kind, failures) in FAILURES.iter().zip(&endpoint.counts.failures) {
            let labels = [
                ("upstream", &*upstream.name),
                ("server", address),
                ("kind", kind),
            ];
            text.line(name, &labels, failures.load(Relaxed));
        }
    });
    let name = "zephyr_edge_server_checks_total";
    text.head(name, "counter", "Checks of a server, by outcome.");
    each(node, |upstream, endpoint, address| {
        for (outcome, checks) in ["good", "bad"].iter().zip(&endpoint.counts.checks) {
            let labels = [
                ("upstream", &*upstream.name),
                ("server", address),
                ("outcome", outcome),
            ];
            text.line(name, &labels, checks.load(Relaxed));
        }
    });
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

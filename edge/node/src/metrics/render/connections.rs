//! Clients' connections, and what becomes of them before there is a request.

use std::sync::atomic::Ordering::Relaxed;

use super::Text;
use crate::metrics::{Count, Protocol};
use crate::shared::Shared;

pub(super) fn render(text: &mut Text, node: &Shared) {
    let sum = |what| node.metrics.sum(what);
    text.gauge(
        "zephyr_edge_connections_open",
        "Client connections open.",
        sum(Count::Accepted).saturating_sub(sum(Count::Closed)),
    );
    let mut open = text.gauges(
        "zephyr_edge_protocol_connections_open",
        "Client connections open that have shown which protocol they speak.",
    );
    for (protocol, label) in Protocol::ALL {
        open.line(&[("protocol", label)], node.metrics.open(protocol));
    }
    text.gauge(
        "zephyr_edge_connections_resting",
        "Connections of HTTP/1 that wait for their next request and hold no more than a socket.",
        node.metrics.resting(),
    );
    text.counter(
        "zephyr_edge_connections_accepted_total",
        "Client connections accepted.",
        sum(Count::Accepted),
    );
    text.counter(
        "zephyr_edge_connections_turned_away_total",
        "Client connections closed because there were too many.",
        sum(Count::TurnedAway),
    );
    text.counter(
        "zephyr_edge_connections_turned_away_by_address_total",
        "Client connections closed because their client had too many.",
        sum(Count::TurnedAwayByAddress),
    );
    text.counter(
        "zephyr_edge_connections_proxy_refused_total",
        "Connections closed for their PROXY protocol header.",
        sum(Count::ProxyRefused),
    );
    text.counter(
        "zephyr_edge_connections_stalled_total",
        "Client connections closed because the peer stopped.",
        sum(Count::Stalled),
    );
    text.counter(
        "zephyr_edge_heads_refused_total",
        "Requests that were not strict HTTP.",
        sum(Count::Refused),
    );
    text.gauge(
        "zephyr_edge_tunnels_open",
        "Connections that an upgrade has turned into tunnels.",
        node.tunnels.load(Relaxed),
    );
    text.counter(
        "zephyr_edge_tunnels_opened_total",
        "Tunnels opened.",
        sum(Count::Tunnels),
    );
    text.counter(
        "zephyr_edge_tunnels_turned_away_total",
        "Handshakes refused because there were too many tunnels.",
        sum(Count::TunnelsTurnedAway),
    );
    text.counter(
        "zephyr_edge_access_log_dropped_total",
        "Access log lines dropped.",
        sum(Count::LogDropped),
    );
}

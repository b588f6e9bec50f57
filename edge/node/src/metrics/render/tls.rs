//! What there is to tell of TLS; nothing without it.

use std::time::UNIX_EPOCH;

use super::Text;
use crate::metrics::Count;
use crate::shared::Shared;

pub(super) fn render(text: &mut Text, node: &Shared) {
    let Some(tls) = &node.tls else { return };
    let mut handshakes = text.counters(
        "zephyr_edge_tls_handshakes_total",
        "TLS handshakes, by outcome.",
    );
    for (outcome, what) in [
        ("done", Count::Handshakes),
        ("failed", Count::HandshakesFailed),
        ("turned_away", Count::HandshakesTurnedAway),
    ] {
        handshakes.line(&[("outcome", outcome)], node.metrics.sum(what));
    }
    for (name, help, (done, failed)) in [
        (
            "zephyr_edge_certificate_reloads_total",
            "Certificates read anew, by outcome.",
            tls.certificates.reloads(),
        ),
        (
            "zephyr_edge_acme_orders_total",
            "Certificates ordered, by outcome.",
            tls.orders.get(),
        ),
    ] {
        let mut family = text.counters(name, help);
        family.line(&[("outcome", "done")], done);
        family.line(&[("outcome", "failed")], failed);
    }
    let mut expires = text.gauges(
        "zephyr_edge_certificate_expires_seconds",
        "When each certificate expires, in seconds since 1970.",
    );
    for (host, at) in tls.certificates.expiries() {
        let at = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        // Names of hosts need no escaping, but a certificate may hold anything.
        let plain = |c: char| c.is_ascii_alphanumeric() || "*.-_".contains(c);
        let host: String = host.chars().filter(|c| plain(*c)).collect();
        expires.line(&[("name", &host)], at.as_secs());
    }
}

//! What there is to tell of TLS; nothing without it.

use std::time::UNIX_EPOCH;

use super::Text;
use crate::metrics::Count;
use crate::shared::Shared;

pub(super) fn render(text: &mut Text, node: &Shared) {
    let Some(tls) = &node.tls else { return };
    let name = "zephyr_edge_tls_handshakes_total";
    text.head(name, "counter", "TLS handshakes, by outcome.");
    for (outcome, what) in [
        ("done", Count::Handshakes),
        ("failed", Count::HandshakesFailed),
        ("turned_away", Count::HandshakesTurnedAway),
    ] {
        text.line(name, &[("outcome", outcome)], node.metrics.sum(what));
    }
    let (reloads, failures) = tls.certificates.reloads();
    let name = "zephyr_edge_certificate_reloads_total";
    text.head(name, "counter", "Certificates read anew, by outcome.");
    text.line(name, &[("outcome", "done")], reloads);
    text.line(name, &[("outcome", "failed")], failures);
    let (ordered, failed) = tls.orders.get();
    let name = "zephyr_edge_acme_orders_total";
    text.head(name, "counter", "Certificates ordered, by outcome.");
    text.line(name, &[("outcome", "done")], ordered);
    text.line(name, &[("outcome", "failed")], failed);
    let name = "zephyr_edge_certificate_expires_seconds";
    text.head(
        name,
        "gauge",
        "When each certificate expires, in seconds since 1970.",
    );
    for (host, expires) in tls.certificates.expiries() {
        let expires = expires.duration_since(UNIX_EPOCH).unwrap_or_default();
        // Names of hosts need no escaping, but a certificate may hold anything.
        let plain = |c: char| c.is_ascii_alphanumeric() || "*.-_".contains(c);
        let host: String = host.chars().filter(|c| plain(*c)).collect();
        text.line(name, &[("name", &host)], expires.as_secs());
    }
}

//! How the node speaks TLS as a server.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ProducesTickets, ServerSessionMemoryCache};
use rustls::version::{TLS12, TLS13};

use crate::certificates::Certificates;

/// Sessions of TLS 1.2 that are kept for clients without tickets.
const SESSIONS: usize = 4096;

/// What can be chosen.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether TLS 1.2 is refused.
    pub only_tls13: bool,
    /// ALPN names, the liked one first (RFC 7301).
    pub protocols: Vec<Vec<u8>>,
}

/// Makes tickets for sessions to be taken up again (RFC 5077; RFC 8446, section 4.6.1) with keys that
/// only this process knows. A key makes tickets for six hours and is understood for as long again.
///
/// # Errors
///
/// There is no randomness.
pub fn ticketer() -> Result<Arc<dyn ProducesTickets>, rustls::Error> {
    aws_lc_rs::Ticketer::new()
}

/// A configuration that all threads share. Of key exchanges X25519MLKEM768 is liked best, so that
/// what is recorded today stays secret when there are quantum computers.
///
/// # Errors
///
/// rustls finds that nothing can be spoken so.
pub fn config(
    certificates: Arc<Certificates>,
    tickets: Arc<dyn ProducesTickets>,
    options: &Options,
) -> Result<ServerConfig, rustls::Error> {
    let versions: &[_] = match options.only_tls13 {
        true => &[&TLS13],
        false => &[&TLS13, &TLS12],
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols.clone_from(&options.protocols);
    config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
    config.ticketer = tickets;
    Ok(config)
}

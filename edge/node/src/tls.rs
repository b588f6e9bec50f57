//! What the node's workers share for TLS: one configuration, certificates that are replaced while
//! they serve, and the bound on handshakes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::SystemTime;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use http::HeaderValue;
use rustls::ServerConfig;
use rustls::server::ProducesTickets;
use tokio_util::sync::CancellationToken;
use zephyr_tls::acme::{self, Acme, Challenges};
use zephyr_tls::{Certificates, Files, server};

use crate::config::{Alpn, Config, TlsVersion};

/// TLS as all workers speak it.
#[derive(Debug)]
pub(crate) struct Tls {
    pub(crate) certificates: Arc<Certificates>,
    pub(crate) challenges: Arc<Challenges>,
    pub(crate) orders: Arc<acme::Counts>,
    /// Where it is listened for; clients may know another one.
    pub(crate) port: u16,
    /// For `Alt-Svc`; none without HTTP/3.
    pub(crate) alt_svc: Option<HeaderValue>,
    config: ArcSwap<ServerConfig>,
    /// None without HTTP/3.
    #[cfg_attr(
        not(feature = "http3"),
        expect(dead_code, reason = "only QUIC needs it")
    )]
    quic: Option<Arc<ServerConfig>>,
    /// Outlives a change of the configuration, so that sessions can be taken up again.
    tickets: Arc<dyn ProducesTickets>,
    handshakes: AtomicU32,
}

impl Tls {
    /// Loads what the configuration names; none without an address for it. Reads files.
    ///
    /// # Errors
    ///
    /// A certificate that is of no use, with its file.
    pub(crate) fn load(
        config: &Config,
        address: Option<SocketAddr>,
    ) -> anyhow::Result<Option<Self>> {
        let Some(address) = address else {
            return Ok(None);
        };
        let certificates = Certificates::load(&files(config), SystemTime::now())
            .context("TLS (tls.certificates)")?;
        let certificates = Arc::new(certificates);
        let tickets = server::ticketer().context("TLS: session tickets")?;
        let served = served(config, &certificates, &tickets)?;
        let quic = match config.listen.http3 {
            true => Some(quic(&certificates, &tickets)?),
            false => None,
        };
        let port = config.listen.https_port.unwrap_or(address.port());
        let alt_svc = HeaderValue::from_str(&format!("h3=\":{port}\"; ma=86400")).ok();
        Ok(Some(Self {
            certificates,
            challenges: Arc::default(),
            orders: Arc::default(),
            port: address.port(),
            alt_svc: alt_svc.filter(|_| config.listen.http3),
            config: ArcSwap::new(served),
            quic,
            tickets,
            handshakes: AtomicU32::new(0),
        }))
    }

    /// Takes over `[tls]` of another configuration: certificates, versions, protocols. Connections
    /// that are open go on as they began. With an error nothing changes. Reads files.
    ///
    /// # Errors
    ///
    /// A certificate that is of no use, with its file.
    pub(crate) fn reload(&self, config: &Config) -> anyhow::Result<()> {
        let served = served(config, &self.certificates, &self.tickets)?;
        self.certificates
            .replace(&files(config), SystemTime::now())
            .context("TLS (tls.certificates)")?;
        self.config.store(served);
        Ok(())
    }

    /// What a handshake that begins now goes by.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.config.load_full()
    }

    /// The same for QUIC; none without HTTP/3.
    #[cfg(feature = "http3")]
    pub(crate) fn quic(&self) -> Option<Arc<ServerConfig>> {
        self.quic.clone()
    }

    /// Handshakes under way.
    #[cfg(feature = "http3")]
    pub(crate) fn handshakes(&self) -> u32 {
        self.handshakes.load(Relaxed)
    }

    /// Takes a place among the handshakes under way; none when there are `bound`.
    pub(crate) fn handshake(&self, bound: u32) -> Option<Handshake<'_>> {
        let before = self.handshakes.fetch_add(1, Relaxed);
        let place = Handshake(&self.handshakes);
        (before < bound).then_some(place)
    }

    /// The orders that the configuration asks for; none when it asks for none. Reads files.
    pub(crate) fn acme(&self, config: &Config) -> Option<Acme> {
        if config.acme.domains.is_empty() {
            return None;
        }
        let options = acme::Options {
            directory: config.acme.directory.clone(),
            contact: config.acme.contact.clone(),
            domains: config.acme.domains.clone(),
            ca: config.acme.ca.clone(),
            folder: config.node.data_dir.join("acme"),
        };
        Some(Acme::new(
            options,
            Arc::clone(&self.certificates),
            Arc::clone(&self.challenges),
            Arc::clone(&self.orders),
        ))
    }
}

/// A place among the handshakes under way, until dropped.
#[derive(Debug)]
pub(crate) struct Handshake<'a>(&'a AtomicU32);

impl Drop for Handshake<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

fn files(config: &Config) -> Vec<Files> {
    let files = config.tls.certificates.iter();
    files
        .map(|files| Files {
            cert: files.cert.clone(),
            key: files.key.clone(),
            ocsp: files.ocsp.clone(),
        })
        .collect()
}

fn served(
    config: &Config,
    certificates: &Arc<Certificates>,
    tickets: &Arc<dyn ProducesTickets>,
) -> anyhow::Result<Arc<ServerConfig>> {
    let protocols = config.tls.alpn.iter().map(|protocol| match protocol {
        Alpn::H2 => b"h2".to_vec(),
        Alpn::Http1 => b"http/1.1".to_vec(),
    });
    let options = server::Options {
        only_tls13: config.tls.min_version == TlsVersion::V1_3,
        protocols: protocols.collect(),
    };
    let config = server::config(Arc::clone(certificates), Arc::clone(tickets), &options);
    Ok(Arc::new(config.context("TLS")?))
}

/// QUIC is TLS 1.3 only (RFC 9001, section 4.2).
fn quic(
    certificates: &Arc<Certificates>,
    tickets: &Arc<dyn ProducesTickets>,
) -> anyhow::Result<Arc<ServerConfig>> {
    let options = server::Options {
        only_tls13: true,
        protocols: vec![b"h3".to_vec()],
    };
    let config = server::config(Arc::clone(certificates), Arc::clone(tickets), &options);
    Ok(Arc::new(config.context("TLS for QUIC")?))
}

/// Looks at the certificates' files every now and then, until told to stop.
pub(crate) async fn watch(node: Arc<crate::shared::Shared>, stop: CancellationToken) {
    loop {
        let every = node.generation().config.tls.check_interval;
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
        let node = Arc::clone(&node);
        let look = move || {
            let Some(tls) = &node.tls else { return };
            for outcome in tls.certificates.reload_changed(SystemTime::now()) {
                match outcome {
                    Ok(files) => {
                        let file = files.cert.display();
                        tracing::info!("the certificate {file} is read anew");
                    }
                    Err(error) => {
                        tracing::error!("the certificate before it stays in use: {error}");
                    }
                }
            }
        };
        if tokio::task::spawn_blocking(look).await.is_err() {
            tracing::error!("the certificates' files could not be looked at");
        }
    }
}

/// Orders certificates until told to stop.
pub(crate) async fn order(acme: Acme, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = acme.run() => {}
    }
}

//! TLS to servers: the system's trust or a file's, a certificate of our own, the protocol chosen.

use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::config::{Http2, Origin, TlsConfig};

const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// How servers of one upstream are spoken to.
#[derive(Clone)]
pub(crate) struct Client {
    connector: TlsConnector,
    /// For what only HTTP/1.1 can do.
    http1: TlsConnector,
    /// In place of the URL's host.
    name: Option<ServerName<'static>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Reads certificates and keys.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or holds something else.
    pub(crate) fn new(config: &TlsConfig, http2: Http2) -> anyhow::Result<Self> {
        let roots = match &config.ca {
            Some(file) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(file)? {
                    roots
                        .add(certificate)
                        .with_context(|| format!("ca {}", file.display()))?;
                }
                Arc::new(roots)
            }
            None => system_roots()?,
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let mut client = match (&config.client_cert, &config.client_key) {
            (Some(chain), Some(key)) => {
                let what = || format!("client_key {}", key.display());
                let read = PrivateKeyDer::from_pem_file(key).with_context(what)?;
                builder
                    .with_client_auth_cert(certificates(chain)?, read)
                    .with_context(what)?
            }
            _ => builder.with_no_client_auth(),
        };
        client.alpn_protocols = match http2 {
            Http2::No => vec![HTTP1.to_vec()],
            Http2::Yes => vec![HTTP2.to_vec()],
            Http2::Auto => vec![HTTP2.to_vec(), HTTP1.to_vec()],
        };
        let name = config.server_name.clone().map(ServerName::try_from);
        let mut http1 = client.clone();
        http1.alpn_protocols = vec![HTTP1.to_vec()];
        Ok(Self {
            connector: TlsConnector::from(Arc::new(client)),
            http1: TlsConnector::from(Arc::new(http1)),
            name: name.transpose().context("server_name")?,
        })
    }

    /// Shakes hands on a connection to a server; `only_http1` offers nothing but HTTP/1.1.
    pub(crate) async fn connect(
        &self,
        origin: &Origin,
        stream: TcpStream,
        only_http1: bool,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => ServerName::try_from(origin.host_and_port().0.to_owned())
                .map_err(io::Error::other)?,
        };
        let connector = match only_http1 {
            true => &self.http1,
            false => &self.connector,
        };
        connector.connect(name, stream).await
    }
}

/// Whether the server chose HTTP/2.
pub(super) fn chose_http2(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(HTTP2)
}

fn certificates(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let what = || format!("certificates in {}", file.display());
    let read: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .with_context(what)?;
    anyhow::ensure!(!read.is_empty(), "{}: there are none", what());
    Ok(read)
}

/// What the system trusts, read once.
fn system_roots() -> anyhow::Result<Arc<RootCertStore>> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (_, ignored) = roots.add_parsable_certificates(found.certs);
        if ignored > 0 || !found.errors.is_empty() {
            tracing::debug!(ignored, errors = ?found.errors, "not all of the system's certificates are of use");
        }
        Arc::new(roots)
    });
    anyhow::ensure!(
        !roots.is_empty(),
        "the system has no trusted certificates; name some with `ca`"
    );
    Ok(Arc::clone(roots))
}

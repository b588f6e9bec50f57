//! Upstreams over TLS: whom the node trusts, who it says it is, and what is spoken.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use zephyr_edge::Secrets;

use crate::support::{Connection, TestNode};

/// An authority of the test, and certificates that it has made.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a certificate for a name and writes `<name>.pem` and `<name>.key`.
    fn certify(&self, name: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let (pem, key_pem) = (certificate.pem(), key.serialize_pem());
        std::fs::write(self.file(&format!("{name}.pem")), pem).unwrap();
        std::fs::write(self.file(&format!("{name}.key")), &key_pem).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).unwrap();
        (certificate.der().clone(), key)
    }

    fn server(&self, name: &str, clients: bool, alpn: &[&str]) -> ServerConfig {
        let (certificate, key) = self.certify(name);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if clients {
            let mut roots = RootCertStore::empty();
            roots.add(self.issuer.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder.with_single_cert(vec![certificate], key).unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }
}

struct TlsUpstream {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl TlsUpstream {
    /// Answers with the protocol, the name that was asked for, and whether the client is known.
    async fn start(config: ServerConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, SeqCst);
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let session = stream.get_ref().1;
                    let name = session.server_name().unwrap_or("-").to_owned();
                    let known = session.peer_certificates().is_some();
                    let service = service_fn(move |request: Request<Incoming>| {
                        let text = format!("{:?} {name} {known}", request.version());
                        async move {
                            Ok::<_, Infallible>(Response::new(Full::<bytes::Bytes>::from(text)))
                        }
                    });
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let _ = builder
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self {
            address,
            connections,
        }
    }
}

async fn try_node(url: &str, more: &str) -> anyhow::Result<TestNode> {
    let config = format!(
        "[upstreams.a]\nurl = \"{url}\"\n{more}\n[[routes]]\nname = \"all\"\npaths = [\"/{{*rest}}\"]\nupstream = \"a\"\n"
    );
    TestNode::try_start(&config, Secrets::default()).await
}

async fn node(upstream: &TlsUpstream, more: &str) -> TestNode {
    // By address, because a name may have more than one, of which only this one answers.
    let url = format!("https://127.0.0.1:{}", upstream.address.port());
    let named = format!("server_name = \"localhost\"\n{more}");
    try_node(&url, &named).await.unwrap()
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_by_naming_it() {
    let authority = Authority::new();
    let upstream = TlsUpstream::start(authority.server("localhost", false, &[])).await;
    let ca = format!("ca = {:?}", authority.file("ca.pem"));
    let trusting = node(&upstream, &ca).await;
    let mut connection = Connection::open(trusting.http()).await;
    for _ in 0..3 {
        assert_eq!(connection.get("/x").await.body, "HTTP/1.1 localhost false");
    }
    trusting.stop().await;
    // Another name than the certificate's, a name of its own, and an authority that nobody knows.
    for (more, fine) in [
        (format!("{ca}\nserver_name = \"other.test\""), false),
        (format!("{ca}\nserver_name = \"localhost\""), true),
        (format!("ca = {:?}", Authority::new().keep_ca()), false),
    ] {
        let url = format!("https://127.0.0.1:{}", upstream.address.port());
        let node = try_node(&url, &more).await.unwrap();
        let answer = node.get("/x").await;
        if fine {
            assert_eq!(answer.body, "HTTP/1.1 localhost false");
        } else {
            assert_eq!(answer.status, 502);
            let said = answer.header("proxy-status");
            assert!(
                said.starts_with("Zephyr; error=tls_certificate_error"),
                "{said}"
            );
        }
        node.stop().await;
    }
}

impl Authority {
    /// Leaves the folder where it is.
    fn keep_ca(self) -> PathBuf {
        self.folder.keep().join("ca.pem")
    }
}

#[tokio::test]
async fn a_server_may_want_to_know_who_asks() {
    let authority = Authority::new();
    let upstream = TlsUpstream::start(authority.server("localhost", true, &[])).await;
    authority.certify("edge");
    let ca = format!("ca = {:?}", authority.file("ca.pem"));
    let own = format!(
        "{ca}\nclient_cert = {:?}\nclient_key = {:?}",
        authority.file("edge.pem"),
        authority.file("edge.key")
    );
    let known = node(&upstream, &own).await;
    assert_eq!(known.get("/x").await.body, "HTTP/1.1 localhost true");
    known.stop().await;
    let unknown = node(&upstream, &ca).await;
    let answer = unknown.get("/x").await;
    assert_eq!(answer.status, 502);
    let said = answer.header("proxy-status");
    assert!(
        said.starts_with("Zephyr; error=tls_alert_received"),
        "{said}"
    );
    unknown.stop().await;
}

#[tokio::test]
async fn the_protocol_is_chosen_in_the_handshake() {
    let authority = Authority::new();
    let ca = format!("ca = {:?}", authority.file("ca.pem"));
    let both = TlsUpstream::start(authority.server("localhost", false, &["h2", "http/1.1"])).await;
    let old = TlsUpstream::start(authority.server("localhost", false, &["http/1.1"])).await;
    for (upstream, http2, said) in [
        (&both, "\"auto\"", "HTTP/2.0 localhost false"),
        (&both, "true", "HTTP/2.0 localhost false"),
        (&both, "false", "HTTP/1.1 localhost false"),
        (&old, "\"auto\"", "HTTP/1.1 localhost false"),
    ] {
        let before = upstream.connections.load(SeqCst);
        let node = node(upstream, &format!("{ca}\nhttp2 = {http2}")).await;
        let mut connection = Connection::open(node.http()).await;
        for _ in 0..3 {
            assert_eq!(connection.get("/x").await.body, said, "{http2}");
        }
        assert_eq!(upstream.connections.load(SeqCst) - before, 1, "{http2}");
        node.stop().await;
    }
    let node = node(&old, &format!("{ca}\nhttp2 = true")).await;
    assert_eq!(node.get("/x").await.status, 502);
    node.stop().await;
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_refused_at_the_start() {
    let authority = Authority::new();
    std::fs::write(authority.file("empty.pem"), "").unwrap();
    for (file, why) in [("gone.pem", "gone.pem"), ("empty.pem", "there are none")] {
        let ca = format!("ca = {:?}", authority.file(file));
        let error = try_node("https://localhost", &ca).await.err().unwrap();
        let error = format!("{error:#}");
        assert!(
            error.contains("upstream \"a\"") && error.contains(why),
            "{error}"
        );
    }
}

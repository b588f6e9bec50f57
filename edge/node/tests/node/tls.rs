//! TLS with real clients: which certificate, version, protocol and key exchange they get, sessions
//! taken up again, certificates replaced, and clients that speak something else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use rustls::pki_types::CertificateDer;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind, NamedGroup, ProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::tls::{BOTH, Identity, client, connect, get};
use crate::support::{Connection, PATIENCE, TestNode, TestUpstream, raw, request};

/// What nearly all tests here start with.
struct Site {
    upstream: TestUpstream,
    folder: tempfile::TempDir,
}

impl Site {
    async fn new() -> Self {
        Self {
            upstream: TestUpstream::named("a").await,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn identity(&self, file: &str, names: &[&str]) -> Identity {
        Identity::write(self.folder.path(), file, names)
    }

    fn config(&self, listen: &str, tls: &str, identities: &[&Identity]) -> String {
        let certificates: String = identities.iter().map(|one| one.config()).collect();
        format!(
            r#"
            [listen]
            http = "127.0.0.1:0"
            https = "127.0.0.1:0"
            admin = "127.0.0.1:0"
            {listen}
            [tls]
            {tls}
            {certificates}
            [upstreams.a]
            url = "{}"
            [[routes]]
            name = "all"
            paths = ["/{{*rest}}"]
            upstream = "a"
            "#,
            self.upstream.url()
        )
    }

    async fn start(&self, listen: &str, tls: &str, identities: &[&Identity]) -> TestNode {
        TestNode::start(&self.config(listen, tls, identities)).await
    }
}

async fn served(
    address: SocketAddr,
    name: &str,
    client: &Arc<ClientConfig>,
) -> CertificateDer<'static> {
    let stream = connect(address, name, client).await.unwrap();
    let (_, session) = stream.get_ref();
    session.peer_certificates().unwrap()[0].clone().into_owned()
}

#[tokio::test]
async fn each_host_gets_its_own_certificate() {
    let site = Site::new().await;
    let first = site.identity("first", &["first.test"]);
    let wild = site.identity("wild", &["*.wild.test"]);
    let node = site.start("", "", &[&first, &wild]).await;
    let client = client(&[&first.der, &wild.der], BOTH, &[]);
    assert_eq!(served(node.https(), "first.test", &client).await, first.der);
    assert_eq!(served(node.https(), "a.wild.test", &client).await, wild.der);
    // The first one, which is not for this name: a real client turns away.
    let error = connect(node.https(), "unknown.test", &client)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("not valid for name"), "{error}");
    node.stop().await;
}

#[tokio::test]
async fn http_is_chosen_by_alpn_and_its_scheme_is_https() {
    let site = Site::new().await;
    let a = site.identity("a", &["a.test"]);
    let node = site.start("", "", &[&a]).await;
    for (offered, chosen, version) in [
        (&["h2", "http/1.1"][..], Some(&b"h2"[..]), "HTTP/2.0"),
        (&["http/1.1"], Some(b"http/1.1"), "HTTP/1.1"),
        (&[], None, "HTTP/1.1"),
    ] {
        let stream = connect(node.https(), "a.test", &client(&[&a.der], BOTH, offered)).await;
        let stream = stream.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), chosen, "{version}");
        let answer = get(stream, "a.test", "/x").await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (200, "a /x"));
        assert_eq!(answer.header("alt-svc"), "", "no HTTP/3 here");
    }
    for seen in site.upstream.seen() {
        assert_eq!(seen.header("x-forwarded-proto"), "https");
        assert_eq!(
            seen.header("forwarded"),
            "for=127.0.0.1;host=a.test;proto=https"
        );
    }
    // Nothing in common: refused, and not served as something else.
    let other = client(&[&a.der], BOTH, &["smtp"]);
    assert!(connect(node.https(), "a.test", &other).await.is_err());
    node.stop().await;

    let only = site.start("", "alpn = [\"http/1.1\"]", &[&a]).await;
    let both = client(&[&a.der], BOTH, &["h2", "http/1.1"]);
    let stream = connect(only.https(), "a.test", &both).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    only.stop().await;
}

#[tokio::test]
async fn versions_and_key_exchange() {
    let site = Site::new().await;
    let a = site.identity("a", &["a.test"]);
    let node = site.start("", "", &[&a]).await;
    let stream = connect(node.https(), "a.test", &client(&[&a.der], BOTH, &[])).await;
    let stream = stream.unwrap();
    let session = stream.get_ref().1;
    assert_eq!(session.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    let group = session.negotiated_key_exchange_group().unwrap();
    assert_eq!(group.name(), NamedGroup::X25519MLKEM768);

    let old = client(&[&a.der], &[&TLS12], &[]);
    let stream = connect(node.https(), "a.test", &old).await.unwrap();
    let version = stream.get_ref().1.protocol_version();
    assert_eq!(version, Some(ProtocolVersion::TLSv1_2));
    assert_eq!(get(stream, "a.test", "/x").await.status, 200);
    node.stop().await;

    let strict = site.start("", "min_version = \"1.3\"", &[&a]).await;
    assert!(connect(strict.https(), "a.test", &old).await.is_err());
    let new = client(&[&a.der], &[&TLS13], &[]);
    assert!(connect(strict.https(), "a.test", &new).await.is_ok());
    strict.stop().await;
}

/// On any worker: they share the keys of tickets.
#[tokio::test]
async fn sessions_are_taken_up_again() {
    let site = Site::new().await;
    let a = site.identity("a", &["a.test"]);
    let node = site.start("", "", &[&a]).await;
    for versions in [&[&TLS13][..], &[&TLS12]] {
        let client = client(&[&a.der], versions, &[]);
        for connection in 0..6 {
            let stream = connect(node.https(), "a.test", &client).await.unwrap();
            let kind = stream.get_ref().1.handshake_kind().unwrap();
            let resumed = kind == HandshakeKind::Resumed;
            assert_eq!(
                resumed,
                connection > 0,
                "{connection} {versions:?} {kind:?}"
            );
            // Tickets of TLS 1.3 come after the handshake.
            assert_eq!(get(stream, "a.test", "/x").await.status, 200);
        }
    }
    node.stop().await;
}

#[tokio::test]
async fn a_replaced_certificate_is_taken_and_a_broken_one_is_not() {
    let site = Site::new().await;
    let old = site.identity("a", &["a.test"]);
    let node = site.start("", "check_interval = \"20ms\"", &[&old]).await;
    let believes_old = client(&[&old.der], BOTH, &["h2"]);
    let stream = connect(node.https(), "a.test", &believes_old)
        .await
        .unwrap();
    let (mut kept, connection) = hyper::client::conn::http2::handshake(
        hyper_util::rt::TokioExecutor::new(),
        hyper_util::rt::TokioIo::new(stream),
    )
    .await
    .unwrap();
    tokio::spawn(connection);
    let ask = || {
        let request = Request::get("https://a.test/kept");
        request
            .body(http_body_util::Empty::<bytes::Bytes>::new())
            .unwrap()
    };
    assert_eq!(kept.send_request(ask()).await.unwrap().status(), 200);

    let failed = "zephyr_edge_certificate_reloads_total{outcome=\"failed\"}";
    std::fs::write(&old.cert, "-----BEGIN CERTIFICATE-----\nbroken").unwrap();
    node.until(failed, 1).await;
    assert_eq!(served(node.https(), "a.test", &believes_old).await, old.der);

    let new = site.identity("a", &["a.test"]);
    node.until("zephyr_edge_certificate_reloads_total{outcome=\"done\"}", 1)
        .await;
    let believes_new = client(&[&new.der], BOTH, &[]);
    assert_eq!(served(node.https(), "a.test", &believes_new).await, new.der);
    // A new client, that has no session to take up again.
    let believes_old = client(&[&old.der], BOTH, &[]);
    assert!(
        connect(node.https(), "a.test", &believes_old)
            .await
            .is_err()
    );
    assert_eq!(kept.send_request(ask()).await.unwrap().status(), 200);
    node.stop().await;
}

#[tokio::test]
async fn a_configuration_with_a_broken_certificate_is_refused_and_the_old_one_goes_on() {
    let site = Site::new().await;
    let (a, b) = (
        site.identity("a", &["a.test"]),
        site.identity("b", &["b.test"]),
    );
    let node = site.start("", "", &[&a]).await;
    let believes = client(&[&a.der, &b.der], BOTH, &[]);
    let other = |cert: &Identity, key: &Identity| Identity {
        cert: cert.cert.clone(),
        key: key.key.clone(),
        der: cert.der.clone(),
    };
    let garbage = other(&site.identity("garbage", &["c.test"]), &b);
    std::fs::write(
        &garbage.cert,
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let mut missing = other(&b, &b);
    missing.cert = site.folder.path().join("missing.pem");
    let cases = [
        (other(&b, &a), "b.pem", "is not this certificate's"),
        (garbage, "garbage.pem", ""),
        (missing, "missing.pem", "cannot be read"),
    ];
    let mut count = 0;
    for (broken, file, reason) in cases {
        // The good one beside it is not taken without the broken one.
        for identities in [vec![&broken], vec![&b, &broken]] {
            let refused = node.reload(&site.config("", "", &identities)).await;
            assert_eq!(refused.status, 422, "{refused:?}");
            let detail = refused.json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.contains(file) && detail.contains(reason), "{detail}");
            count += 1;
            assert_eq!(served(node.https(), "a.test", &believes).await, a.der);
            let stream = connect(node.https(), "a.test", &believes).await.unwrap();
            assert_eq!(get(stream, "a.test", "/x").await.status, 200);
        }
    }
    let refused = "zephyr_edge_config_reloads_total{result=\"refused\"}";
    assert_eq!(node.metric(refused).await, count);
    let taken = node.reload(&site.config("", "", &[&b])).await;
    assert_eq!(taken.status, 200, "{taken:?}");
    assert_eq!(served(node.https(), "b.test", &believes).await, b.der);
    node.stop().await;
}

/// Believes everybody, and notes what is stapled.
#[derive(Debug)]
struct Stapled(
    std::sync::Mutex<Vec<Vec<u8>>>,
    rustls::crypto::CryptoProvider,
);

impl rustls::client::danger::ServerCertVerifier for Stapled {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        ocsp_response: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        self.0.lock().unwrap().push(ocsp_response.to_vec());
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.1.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.1.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.1.signature_verification_algorithms.supported_schemes()
    }
}

/// RFC 6066, section 8; RFC 8446, section 4.4.2.1.
#[tokio::test]
async fn an_ocsp_response_is_stapled_and_replaced() {
    let site = Site::new().await;
    let (a, b) = (
        site.identity("a", &["a.test"]),
        site.identity("b", &["b.test"]),
    );
    // An OCSPResponse (RFC 6960, section 4.2.1) that says `tryLater`, then one that says `sigRequired`.
    let (first, second) = (b"\x30\x03\x0a\x01\x03", b"\x30\x03\x0a\x01\x05");
    let file = site.folder.path().join("a.ocsp");
    std::fs::write(&file, first).unwrap();
    let config = site.config("", "check_interval = \"20ms\"", &[&a, &b]);
    let key = format!("key = {:?}\n", a.key);
    let config = config.replace(&key, &format!("{key}ocsp = {file:?}\n"));
    let node = TestNode::start(&config).await;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let verifier = Arc::new(Stapled(std::sync::Mutex::default(), provider));
    let client = |versions: &[&'static rustls::SupportedProtocolVersion]| {
        let builder = ClientConfig::builder_with_protocol_versions(versions);
        let verifier = Arc::clone(&verifier);
        let client = builder
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        Arc::new(client.with_no_client_auth())
    };
    for versions in [&[&TLS13][..], &[&TLS12]] {
        for name in ["a.test", "b.test"] {
            connect(node.https(), name, &client(versions))
                .await
                .unwrap();
        }
    }
    let stapled = std::mem::take(&mut *verifier.0.lock().unwrap());
    assert_eq!(
        stapled,
        [first.to_vec(), Vec::new(), first.to_vec(), Vec::new()]
    );
    std::fs::write(&file, second).unwrap();
    node.until("zephyr_edge_certificate_reloads_total{outcome=\"done\"}", 1)
        .await;
    connect(node.https(), "a.test", &client(&[&TLS13]))
        .await
        .unwrap();
    assert_eq!(*verifier.0.lock().unwrap(), [second.to_vec()]);
    node.stop().await;
}

/// Sends bytes to a port and says what came back before it was closed.
async fn said(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(PATIENCE, read).await.expect("closed");
    answer
}

#[tokio::test]
async fn what_is_no_tls_is_sent_away() {
    let site = Site::new().await;
    let a = site.identity("a", &["a.test"]);
    let node = site.start("handshake_timeout = \"300ms\"", "", &[&a]).await;
    let garbage = said(node.https(), &[0xff; 2000]).await;
    assert!(garbage.len() < 20, "at most an alert: {garbage:?}");
    // A record that says it is a handshake and is not.
    assert!(said(node.https(), b"\x16\x03\x01\x00\x05hello").await.len() < 20);
    let plain = raw(node.https(), "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(plain.starts_with("HTTP/1.1 400 "), "{plain}");
    assert!(
        plain.ends_with("\r\n\r\nThis port speaks TLS: ask it by https."),
        "{plain}"
    );
    let failed = "zephyr_edge_tls_handshakes_total{outcome=\"failed\"}";
    assert_eq!(node.metric(failed).await, 3);

    // Clients that stop: before the first byte, and within the hello.
    assert_eq!(said(node.https(), b"").await, b"");
    assert_eq!(said(node.https(), b"\x16\x03\x01\x02\x00\x01").await, b"");
    assert_eq!(
        node.metric("zephyr_edge_connections_stalled_total").await,
        2
    );
    let stream = connect(node.https(), "a.test", &client(&[&a.der], BOTH, &[])).await;
    assert_eq!(get(stream.unwrap(), "a.test", "/x").await.status, 200);
    node.stop().await;
}

#[tokio::test]
async fn handshakes_are_bounded() {
    let site = Site::new().await;
    let a = site.identity("a", &["a.test"]);
    let node = site.start("max_handshakes = 1", "", &[&a]).await;
    let client = client(&[&a.der], BOTH, &[]);
    // One that does not go on holds the only place.
    let mut stalled = TcpStream::connect(node.https()).await.unwrap();
    stalled.write_all(b"\x16").await.unwrap();
    let turned_away = "zephyr_edge_tls_handshakes_total{outcome=\"turned_away\"}";
    let mut tries = 0;
    while node.metric(turned_away).await == 0 {
        tries += 1;
        assert!(tries < 1000, "nobody is turned away");
        let _ = connect(node.https(), "a.test", &client).await;
    }
    drop(stalled);
    let mut tries = 0;
    while connect(node.https(), "a.test", &client).await.is_err() {
        tries += 1;
        assert!(tries < 1000, "the place is not given back");
    }
    node.stop().await;
}

#[tokio::test]
async fn plain_requests_are_sent_to_https() {
    let site = Site::new().await;
    let a = site.identity("a", &["a.test"]);
    let listen = "redirect_https = true\nhttps_port = 443\ntrusted_proxies = [\"127.0.0.1\"]";
    let node = site.start(listen, "", &[&a]).await;
    let mut connection = Connection::open(node.http()).await;
    let ask = Request::post("/x?y=1").header("host", "a.test:8080");
    let answer = connection
        .send(ask.body("body".into()).unwrap())
        .await
        .unwrap();
    assert_eq!(answer.status, 308);
    assert_eq!(answer.header("location"), "https://a.test/x?y=1");
    // A proxy that spoke TLS with the client.
    let ask = Request::get("/x").header("x-forwarded-proto", "https");
    let answer = request(node.http(), ask.body(String::new()).unwrap()).await;
    assert_eq!(answer.status, 200);
    let stream = connect(node.https(), "a.test", &client(&[&a.der], BOTH, &[])).await;
    assert_eq!(get(stream.unwrap(), "a.test", "/x").await.status, 200);
    assert_eq!(site.upstream.seen().len(), 2);
    node.stop().await;
}

#[tokio::test]
async fn a_bad_certificate_ends_the_start() {
    let site = Site::new().await;
    let (a, b) = (
        site.identity("a", &["a.test"]),
        site.identity("b", &["b.test"]),
    );
    let mixed = Identity {
        cert: a.cert.clone(),
        key: b.key.clone(),
        der: a.der.clone(),
    };
    let config = site.config("", "", &[&mixed]);
    let error = TestNode::try_start(&config, zephyr_edge::Secrets::default()).await;
    let error = format!("{:#}", error.err().expect("refused"));
    assert!(
        error.contains("a.pem: the key in ") && error.ends_with("b.key is not this certificate's"),
        "{error}"
    );
}

#[tokio::test]
async fn a_stop_lets_open_requests_end_and_handshakes_not_begin() {
    let site = Site::new().await;
    let a = site.identity("a", &["a.test"]);
    let node = site.start("header_read_timeout = \"1s\"", "", &[&a]).await;
    let idle = client(&[&a.der], BOTH, &["h2"]);
    let stream = connect(node.https(), "a.test", &idle).await.unwrap();
    let unshaken = TcpStream::connect(node.https()).await.unwrap();
    let address = node.https();
    let stopping = tokio::time::timeout(Duration::from_secs(8), node.stop());
    stopping.await.expect("idle connections hold nothing up");
    assert!(TcpStream::connect(address).await.is_err());
    drop((stream, unshaken));
}

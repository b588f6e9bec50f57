//! Certificates from real files: which are refused, which a client gets, how they are replaced.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, ServerConnection};
use zephyr_tls::server::{self, Options};
use zephyr_tls::{CertificateError, Certificates, Files};

/// Writes a certificate for these names and its key.
fn write(folder: &Path, file: &str, names: &[&str]) -> Files {
    write_with(folder, file, names, |_| {})
}

fn write_with(
    folder: &Path,
    file: &str,
    names: &[&str],
    change: impl FnOnce(&mut CertificateParams),
) -> Files {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let files = Files {
        cert: folder.join(format!("{file}.pem")),
        key: folder.join(format!("{file}.key")),
        ocsp: None,
    };
    std::fs::write(&files.cert, certificate.pem()).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    files
}

fn load(files: &[Files]) -> Result<Certificates, String> {
    Certificates::load(files, SystemTime::now()).map_err(|error| error.to_string())
}

fn pem(files: &Files) -> CertificateDer<'static> {
    use rustls::pki_types::pem::PemObject as _;
    CertificateDer::from_pem_file(&files.cert).unwrap()
}

/// The certificate that a client gets that asks for this name.
fn served(certificates: &Arc<Certificates>, name: &str) -> CertificateDer<'static> {
    let options = Options {
        only_tls13: false,
        protocols: vec![b"h2".to_vec()],
    };
    let tickets = server::ticketer().unwrap();
    let config = server::config(Arc::clone(certificates), tickets, &options).unwrap();
    let mut server = ServerConnection::new(Arc::new(config)).unwrap();
    let client = ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anything))
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        server.read_tls(&mut &bytes[..]).unwrap();
        server.process_new_packets().unwrap();
        bytes.clear();
        server.write_tls(&mut bytes).unwrap();
        client.read_tls(&mut &bytes[..]).unwrap();
        client.process_new_packets().unwrap();
    }
    client.peer_certificates().unwrap()[0].clone()
}

/// Believes any certificate: these tests ask which one is served.
#[derive(Debug)]
struct Anything;

impl rustls::client::danger::ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[test]
fn the_name_asked_for_chooses_the_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let first = write(folder.path(), "first", &["first.test"]);
    let exact = write(folder.path(), "exact", &["a.wild.test", "Other.test"]);
    let wild = write(folder.path(), "wild", &["*.wild.test"]);
    let all = [first.clone(), exact.clone(), wild.clone()];
    let certificates = Arc::new(load(&all).unwrap());
    for (name, expected) in [
        ("first.test", &first),
        ("a.wild.test", &exact),
        ("A.Wild.TEST", &exact),
        ("other.test", &exact),
        ("b.wild.test", &wild),
        // A wildcard is one label; what nobody is for gets the first.
        ("c.b.wild.test", &first),
        ("wild.test", &first),
        ("unknown.test", &first),
        ("127.0.0.1", &first),
    ] {
        assert_eq!(served(&certificates, name), pem(expected), "{name}");
    }
}

#[test]
fn what_cannot_be_served_is_refused_by_file_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let prefix = format!("{}/", at.display());
    let why = |files: &Files| {
        let error = load(std::slice::from_ref(files)).unwrap_err();
        error.replace(&prefix, "")
    };
    let good = write(at, "good", &["a.test"]);
    let other = write(at, "other", &["a.test"]);

    let mismatched = Files {
        key: other.key.clone(),
        ..good.clone()
    };
    assert_eq!(
        why(&mismatched),
        "good.pem: the key in other.key is not this certificate's"
    );
    let expired = write_with(at, "expired", &["a.test"], |params| {
        params.not_before = rcgen::date_time_ymd(2019, 1, 1);
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    let message = why(&expired);
    assert!(
        message.starts_with("expired.pem: the certificate has expired on Jan  1 ")
            && message.contains("2020"),
        "{message}"
    );
    let early = write_with(at, "early", &["a.test"], |params| {
        params.not_before = rcgen::date_time_ymd(2300, 1, 1);
        params.not_after = rcgen::date_time_ymd(2301, 1, 1);
    });
    assert!(why(&early).contains("early.pem: the certificate is not valid before"));
    let nameless = write(at, "nameless", &[]);
    assert_eq!(
        why(&nameless),
        "nameless.pem: holds a certificate without names (subjectAltName)"
    );
    let missing = Files {
        cert: at.join("missing.pem"),
        ..good.clone()
    };
    assert!(why(&missing).starts_with("missing.pem: cannot be read: "));
    let swapped = Files {
        cert: good.key.clone(),
        key: good.cert.clone(),
        ocsp: None,
    };
    assert_eq!(why(&swapped), "good.key: holds no certificate");
    let keyless = Files {
        key: good.cert.clone(),
        ..good.clone()
    };
    assert_eq!(why(&keyless), "good.pem: holds no private key");
    std::fs::write(at.join("bad.ocsp"), "text").unwrap();
    let stapled = Files {
        ocsp: Some(at.join("bad.ocsp")),
        ..good.clone()
    };
    assert_eq!(why(&stapled), "bad.ocsp: is no OCSP response in DER");
    std::fs::write(at.join("large.pem"), vec![b'x'; 2 << 20]).unwrap();
    let large = Files {
        cert: at.join("large.pem"),
        ..good.clone()
    };
    assert_eq!(
        why(&large),
        "large.pem: cannot be read: it is larger than 1 MiB"
    );
}

#[test]
fn a_changed_file_is_read_again_and_a_broken_one_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path(), "a", &["a.test"]);
    let certificates = Arc::new(load(std::slice::from_ref(&files)).unwrap());
    let now = SystemTime::now();
    let old = served(&certificates, "a.test");
    assert!(certificates.reload_changed(now).is_empty());

    std::fs::write(&files.cert, "not a certificate").unwrap();
    let outcomes = certificates.reload_changed(now);
    assert!(
        matches!(&outcomes[..], [Err(CertificateError::Malformed { .. })]),
        "{outcomes:?}"
    );
    assert_eq!(served(&certificates, "a.test"), old);
    // Once told is enough.
    assert!(certificates.reload_changed(now).is_empty());

    write(folder.path(), "a", &["a.test"]);
    let outcomes = certificates.reload_changed(now);
    assert!(matches!(&outcomes[..], [Ok(_)]), "{outcomes:?}");
    let new = served(&certificates, "a.test");
    assert!(new == pem(&files) && new != old);
    assert_eq!(certificates.reloads(), (1, 1));

    // Gone is as bad as broken.
    std::fs::remove_file(&files.key).unwrap();
    assert!(matches!(
        &certificates.reload_changed(now)[..],
        [Err(CertificateError::Unreadable { .. })]
    ));
    assert_eq!(served(&certificates, "a.test"), new);
}

#[test]
fn other_files_take_the_place_of_all_or_of_none() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (
        write(folder.path(), "a", &["a.test"]),
        write(folder.path(), "b", &["b.test"]),
    );
    let certificates = Arc::new(load(std::slice::from_ref(&a)).unwrap());
    let broken = Files {
        key: a.key.clone(),
        ..b.clone()
    };
    let now = SystemTime::now();
    assert!(certificates.replace(&[b.clone(), broken], now).is_err());
    assert_eq!(served(&certificates, "b.test"), pem(&a));
    certificates.replace(std::slice::from_ref(&b), now).unwrap();
    assert_eq!(served(&certificates, "a.test"), pem(&b));
    let later = now + Duration::from_hours(24);
    assert!(certificates.expiries()[0].1 > later);
}

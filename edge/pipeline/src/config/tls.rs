//! `[tls]`: how the node speaks TLS on `listen.https`, and with which certificates.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::acme::Acme;
use super::error::{ConfigError, Place};
use super::listen::Listen;
use super::quantity;

/// How the node speaks TLS.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// The lowest version that a client may choose.
    pub min_version: TlsVersion,
    /// What is spoken over TLS, the liked one first.
    pub alpn: Vec<Alpn>,
    /// How often the files of certificates are looked at for changes.
    #[serde(deserialize_with = "quantity::positive")]
    pub check_interval: Duration,
    /// Certificates; the first one also serves clients that name no host or one that has none.
    pub certificates: Vec<CertificateFiles>,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            min_version: TlsVersion::V1_2,
            alpn: vec![Alpn::H2, Alpn::Http1],
            check_interval: Duration::from_secs(5),
            certificates: Vec::new(),
        }
    }
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3 (RFC 8446).
    #[serde(rename = "1.3")]
    V1_3,
}

/// A protocol over TLS, by its ALPN name (RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Alpn {
    /// HTTP/2.
    #[serde(rename = "h2")]
    H2,
    /// HTTP/1.1.
    #[serde(rename = "http/1.1")]
    Http1,
}

/// The files of one certificate.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateFiles {
    /// The certificate and those that lead to its issuer's, PEM.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// An OCSP response to staple, DER.
    pub ocsp: Option<PathBuf>,
}

/// Looks relative paths up and checks what concerns `[tls]` alone.
pub(super) fn check(
    place: &Place<'_>,
    section: Option<Spanned<Tls>>,
    base_dir: &Path,
) -> Result<Tls, ConfigError> {
    let Some(section) = section else {
        return Ok(Tls::default());
    };
    let span = section.span();
    let mut tls = section.into_inner();
    if tls.alpn.is_empty()
        || (tls.alpn.len() == 2 && tls.alpn[0] == tls.alpn[1])
        || tls.alpn.len() > 2
    {
        let message = "tls.alpn must hold \"h2\", \"http/1.1\" or both, once each";
        return Err(place.at(span, message));
    }
    for files in &mut tls.certificates {
        files.cert = base_dir.join(&files.cert);
        files.key = base_dir.join(&files.key);
        if let Some(ocsp) = &mut files.ocsp {
            *ocsp = base_dir.join(&*ocsp);
        }
    }
    Ok(tls)
}

/// Checks what `[listen]` needs of the other two.
pub(super) fn check_listener(
    place: &Place<'_>,
    listen: &Listen,
    tls: &Tls,
    acme: &Acme,
) -> Result<(), ConfigError> {
    let wrong = |message: &str| Err(place.at(0..0, message));
    if listen.https.is_some() {
        if tls.certificates.is_empty() && acme.domains.is_empty() {
            return wrong("listen.https needs a certificate: [[tls.certificates]] or acme.domains");
        }
        return Ok(());
    }
    if listen.redirect_https {
        return wrong("listen.redirect_https needs listen.https");
    }
    if listen.http3 {
        return wrong("listen.http3 needs listen.https");
    }
    if !acme.domains.is_empty() {
        return wrong("acme.domains needs listen.https");
    }
    Ok(())
}

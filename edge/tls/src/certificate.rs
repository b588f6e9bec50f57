//! One certificate with its key, read from files and found to be usable.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::extensions::GeneralName;

/// The files of a certificate are no larger.
const LARGEST_FILE: u64 = 1 << 20;

/// Where a certificate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The certificate and those that lead to its issuer's, PEM.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// An OCSP response to staple, DER.
    pub ocsp: Option<PathBuf>,
}

/// A certificate with its key.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub(crate) key: Arc<CertifiedKey>,
    /// Host names in lower case; `*.example.com` for each host right below it.
    pub(crate) names: Vec<Box<str>>,
    pub(crate) not_before: SystemTime,
    pub(crate) not_after: SystemTime,
}

/// Why a certificate is of no use.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file that cannot be read.
    #[error("{}: cannot be read: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file in which there is not what should be.
    #[error("{}: {reason}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The two do not belong together.
    #[error("{}: the key in {} is not this certificate's", cert.display(), key.display())]
    Mismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's.
        key: PathBuf,
    },
    /// It is not valid now.
    #[error("{}: the certificate {what}", file.display())]
    OutOfDate {
        /// The file.
        file: PathBuf,
        /// That it has expired or is not valid yet, and since or until when.
        what: String,
    },
}

impl Certificate {
    /// Reads a certificate and checks that it can be served at that time.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] names the file and what is wrong with it.
    pub fn load(files: &Files, now: SystemTime) -> Result<Self, CertificateError> {
        let malformed = |file: &Path, reason: String| CertificateError::Malformed {
            file: file.to_owned(),
            reason,
        };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&read(&files.cert)?)
            .collect::<Result<_, _>>()
            .map_err(|error| malformed(&files.cert, format!("is not PEM: {error:?}")))?;
        let Some(first) = chain.first() else {
            return Err(malformed(&files.cert, "holds no certificate".into()));
        };
        let (names, validity) = describe(first).map_err(|reason| malformed(&files.cert, reason))?;
        let (not_before, not_after) = validity;
        let out_of_date = |what: &str, at: i64| CertificateError::OutOfDate {
            file: files.cert.clone(),
            what: format!("{what} {}", utc(at)),
        };
        if time_of(not_after) <= now {
            return Err(out_of_date("has expired on", not_after));
        }
        if time_of(not_before) > now {
            return Err(out_of_date("is not valid before", not_before));
        }
        let key = PrivateKeyDer::from_pem_slice(&read(&files.key)?)
            .map_err(|_| malformed(&files.key, "holds no private key".into()))?;
        let mut key = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(
            |error| match error {
                rustls::Error::InconsistentKeys(_) => CertificateError::Mismatch {
                    cert: files.cert.clone(),
                    key: files.key.clone(),
                },
                error => malformed(&files.key, format!("cannot be used: {error}")),
            },
        )?;
        if let Some(file) = &files.ocsp {
            let response = read(file)?;
            // An OCSPResponse is a SEQUENCE (RFC 6960, section 4.2.1).
            if response.first() != Some(&0x30) {
                return Err(malformed(file, "is no OCSP response in DER".into()));
            }
            key.ocsp = Some(response);
        }
        Ok(Self {
            key: Arc::new(key),
            names,
            not_before: time_of(not_before),
            not_after: time_of(not_after),
        })
    }

    /// The host names that it is for, in lower case.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// Until when it is valid.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Since when it is valid.
    #[must_use]
    pub fn not_before(&self) -> SystemTime {
        self.not_before
    }
}

fn read(file: &Path) -> Result<Vec<u8>, CertificateError> {
    use std::io::Read as _;
    let read = || {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(file)?;
        file.take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > LARGEST_FILE {
            return Err(std::io::Error::other("it is larger than 1 MiB"));
        }
        Ok(bytes)
    };
    read().map_err(|source| CertificateError::Unreadable {
        file: file.to_owned(),
        source,
    })
}

type Validity = (i64, i64);

/// The names of a certificate, and the first and last second at which it is valid.
fn describe(certificate: &CertificateDer<'_>) -> Result<(Vec<Box<str>>, Validity), String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate)
        .map_err(|error| format!("holds a certificate that cannot be read: {error}"))?;
    let validity = parsed.validity();
    let validity = (
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    );
    let alternatives = parsed
        .subject_alternative_name()
        .map_err(|error| format!("holds a certificate whose names cannot be read: {error}"))?;
    let alternatives = alternatives.map_or(&[][..], |found| &found.value.general_names);
    let mut names: Vec<Box<str>> = Vec::new();
    let mut addresses = false;
    for name in alternatives {
        match name {
            GeneralName::DNSName(name) => names.push(name.to_ascii_lowercase().into()),
            GeneralName::IPAddress(_) => addresses = true,
            _ => {}
        }
    }
    if names.is_empty() && !addresses {
        return Err("holds a certificate without names (subjectAltName)".into());
    }
    Ok((names, validity))
}

fn time_of(seconds: i64) -> SystemTime {
    let length = Duration::from_secs(seconds.unsigned_abs());
    let time = match seconds < 0 {
        true => SystemTime::UNIX_EPOCH.checked_sub(length),
        false => SystemTime::UNIX_EPOCH.checked_add(length),
    };
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

fn utc(seconds: i64) -> String {
    x509_parser::time::ASN1Time::from_timestamp(seconds)
        .map_or_else(|_| format!("second {seconds}"), |time| time.to_string())
}

//! The certificates of a node: loaded from files, watched, replaced while connections go on.

use std::fs::Metadata;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::certificate::{Certificate, CertificateError, Files};
use crate::index::Index;

/// The certificates of a node. Handshakes see all of a change or nothing of it; connections keep what
/// they began with.
#[derive(Debug)]
pub struct Certificates {
    held: Mutex<Held>,
    index: ArcSwap<Index>,
    reloads: AtomicU64,
    failures: AtomicU64,
}

#[derive(Debug, Default)]
struct Held {
    from_files: Vec<FromFiles>,
    /// What was ordered, by domain.
    ordered: Vec<(String, Certificate)>,
}

#[derive(Debug)]
struct FromFiles {
    files: Files,
    certificate: Certificate,
    /// What the files looked like when they were last read, whether they were good or not.
    stamps: Vec<Stamp>,
}

/// How a file looks from outside: another look, another content.
#[derive(Debug, Default, PartialEq, Eq)]
struct Stamp(Option<(SystemTime, u64, u64)>);

impl FromFiles {
    fn load(files: &Files, now: SystemTime) -> Result<Self, CertificateError> {
        let stamps = stamps(files);
        Ok(Self {
            files: files.clone(),
            certificate: Certificate::load(files, now)?,
            stamps,
        })
    }
}

fn stamps(files: &Files) -> Vec<Stamp> {
    let stamp = |file: &Path| Stamp(std::fs::metadata(file).ok().map(|found| look(&found)));
    let ocsp = files.ocsp.as_deref();
    [Some(&*files.cert), Some(&*files.key), ocsp]
        .into_iter()
        .flatten()
        .map(stamp)
        .collect()
}

fn look(metadata: &Metadata) -> (SystemTime, u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    (modified, metadata.len(), metadata.ino())
}

impl Certificates {
    /// Loads certificates.
    ///
    /// # Errors
    ///
    /// The first one that is of no use.
    pub fn load(files: &[Files], now: SystemTime) -> Result<Self, CertificateError> {
        let new = Self {
            held: Mutex::default(),
            index: ArcSwap::default(),
            reloads: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        };
        new.replace(files, now)?;
        Ok(new)
    }

    /// Puts other files in the place of all there were; what was ordered stays. With an error
    /// nothing changes.
    ///
    /// # Errors
    ///
    /// The first one that is of no use.
    pub fn replace(&self, files: &[Files], now: SystemTime) -> Result<(), CertificateError> {
        let loaded = files
            .iter()
            .map(|files| FromFiles::load(files, now))
            .collect::<Result<_, _>>()?;
        let mut held = self.held.lock();
        held.from_files = loaded;
        self.publish(&held);
        Ok(())
    }

    /// Reads again what has changed on disk since it was last read. One that is now of no use is
    /// told, and the one before stays in its place.
    pub fn reload_changed(&self, now: SystemTime) -> Vec<Result<Files, CertificateError>> {
        let mut outcomes = Vec::new();
        let mut held = self.held.lock();
        for entry in &mut held.from_files {
            let stamps = stamps(&entry.files);
            if stamps == entry.stamps {
                continue;
            }
            entry.stamps = stamps;
            match Certificate::load(&entry.files, now) {
                Ok(certificate) => {
                    entry.certificate = certificate;
                    self.reloads.fetch_add(1, Relaxed);
                    outcomes.push(Ok(entry.files.clone()));
                }
                Err(error) => {
                    self.failures.fetch_add(1, Relaxed);
                    outcomes.push(Err(error));
                }
            }
        }
        if !outcomes.is_empty() {
            self.publish(&held);
        }
        outcomes
    }

    /// Takes in a certificate that was ordered for a domain, in the place of the one before.
    pub fn put_ordered(&self, domain: &str, certificate: Certificate) {
        let mut held = self.held.lock();
        held.ordered.retain(|(known, _)| known != domain);
        held.ordered.push((domain.to_owned(), certificate));
        held.ordered.sort_by(|(a, _), (b, _)| a.cmp(b));
        self.publish(&held);
    }

    /// Forgets what was ordered for domains that are not among these.
    pub fn keep_ordered(&self, domains: &[String]) {
        let mut held = self.held.lock();
        held.ordered.retain(|(known, _)| domains.contains(known));
        self.publish(&held);
    }

    fn publish(&self, held: &Held) {
        let from_files = held.from_files.iter().map(|entry| &entry.certificate);
        let ordered = held.ordered.iter().map(|(_, certificate)| certificate);
        self.index
            .store(Arc::new(Index::new(from_files.chain(ordered))));
    }

    /// The first name of each certificate, and until when it is valid.
    #[must_use]
    pub fn expiries(&self) -> Vec<(String, SystemTime)> {
        let held = self.held.lock();
        let from_files = held.from_files.iter().map(|entry| &entry.certificate);
        let ordered = held.ordered.iter().map(|(_, certificate)| certificate);
        from_files
            .chain(ordered)
            .map(|certificate| {
                let name = certificate.names().next().unwrap_or("-");
                (name.to_owned(), certificate.not_after)
            })
            .collect()
    }

    /// How many certificates were read again, and how many of those were of no use.
    #[must_use]
    pub fn reloads(&self) -> (u64, u64) {
        (self.reloads.load(Relaxed), self.failures.load(Relaxed))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let index = self.index.load();
        index.find(hello.server_name(), hello.signature_schemes())
    }
}

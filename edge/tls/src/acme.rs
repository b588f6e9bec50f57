//! Certificates ordered by ACME (RFC 8555): one for each domain, proved by http-01, renewed after two
//! thirds of its lifetime.
//!
//! The account and what was ordered are kept in a folder, in files that only their owner can read. An
//! order that fails is tried again later and later; the certificate before it stays in place.

mod challenges;
mod folder;
mod order;
mod schedule;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

pub use challenges::{Challenges, PATH};

use crate::certificate::{Certificate, CertificateError};
use crate::certificates::Certificates;
use folder::Folder;
use schedule::Schedule;

/// However far away the next renewal is, the clock is looked at again after this long: it may have
/// been set.
const LONGEST_SLEEP: Duration = Duration::from_hours(1);
/// For one order, from the directory to the certificate.
const ORDER_TIMEOUT: Duration = Duration::from_mins(5);

/// What is ordered, and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// The URL of the authority's directory: https, or http to this machine.
    pub directory: String,
    /// How the authority may reach the operator: `mailto:` URLs.
    pub contact: Vec<String>,
    /// Names to order certificates for.
    pub domains: Vec<String>,
    /// The root that the directory's own certificate must lead to; none: the system's roots.
    pub ca: Option<PathBuf>,
    /// Where the account and certificates are kept; a folder for each directory is made in it.
    pub folder: PathBuf,
}

/// Why an order has failed.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    /// A file of the folder cannot be read or written.
    #[error("{}: {source}", file.display())]
    Folder {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The authority refuses, or cannot be asked.
    #[error("the authority: {0}")]
    Authority(#[from] instant_acme::Error),
    /// The authority could not prove that the domain is this node's.
    #[error("the authority has not found the proof under http://{0}{PATH}")]
    Unproved(String),
    /// The authority does not take http-01 for the domain.
    #[error("the authority offers no http-01 challenge")]
    NoHttp01,
    /// No request for a certificate can be written.
    #[error("the request for the certificate: {0}")]
    Request(#[from] rcgen::Error),
    /// What the authority gave is of no use.
    #[error("the certificate that was given: {0}")]
    Certificate(#[from] CertificateError),
    /// It took too long.
    #[error("the order was not done after {ORDER_TIMEOUT:?}")]
    Late,
}

/// Orders certificates and renews them.
#[derive(Debug)]
pub struct Acme {
    options: Options,
    folder: Folder,
    certificates: Arc<Certificates>,
    challenges: Arc<Challenges>,
    counts: Arc<Counts>,
}

/// How orders went.
#[derive(Debug, Default)]
pub struct Counts {
    ordered: AtomicU64,
    failed: AtomicU64,
}

impl Counts {
    /// Orders that gave a certificate, and orders that failed.
    #[must_use]
    pub fn get(&self) -> (u64, u64) {
        (self.ordered.load(Relaxed), self.failed.load(Relaxed))
    }
}

impl Acme {
    /// Takes in the certificates that were ordered before. One that has expired or cannot be read is
    /// as good as none. Reads files.
    #[must_use]
    pub fn new(
        options: Options,
        certificates: Arc<Certificates>,
        challenges: Arc<Challenges>,
        counts: Arc<Counts>,
    ) -> Self {
        let folder = Folder::new(&options.folder, &options.directory);
        certificates.keep_ordered(&options.domains);
        for domain in &options.domains {
            let file = folder.certificate(domain);
            if !file.exists() {
                continue;
            }
            match folder.load(domain, SystemTime::now()) {
                Ok(certificate) => certificates.put_ordered(domain, certificate),
                Err(error) => tracing::warn!("a certificate is ordered anew: {error}"),
            }
        }
        Self {
            options,
            folder,
            certificates,
            challenges,
            counts,
        }
    }

    /// Orders what is missing and renews what is due, for as long as it is polled.
    pub async fn run(self) {
        let mut schedules: Vec<_> = self
            .options
            .domains
            .iter()
            .map(|domain| {
                let known = self.folder.load(domain, SystemTime::now()).ok();
                (domain.clone(), Schedule::new(known.as_ref()))
            })
            .collect();
        if schedules.is_empty() {
            return;
        }
        loop {
            for (domain, schedule) in &mut schedules {
                if !schedule.is_due(SystemTime::now()) {
                    continue;
                }
                match self.order(domain).await {
                    Ok(certificate) => {
                        self.counts.ordered.fetch_add(1, Relaxed);
                        schedule.succeeded(&certificate);
                        self.certificates.put_ordered(domain, certificate);
                        tracing::info!("there is a new certificate for {domain}");
                    }
                    Err(error) => {
                        self.counts.failed.fetch_add(1, Relaxed);
                        let wait = schedule.failed(SystemTime::now());
                        tracing::error!(
                            "no certificate for {domain}, tried again in {}s: {error}",
                            wait.as_secs()
                        );
                    }
                }
            }
            let now = SystemTime::now();
            let waits = schedules.iter().map(|(_, schedule)| schedule.wait(now));
            let wait = waits.min().unwrap_or(LONGEST_SLEEP);
            tokio::time::sleep(wait.min(LONGEST_SLEEP)).await;
        }
    }

    async fn order(&self, domain: &str) -> Result<Certificate, AcmeError> {
        let order = async {
            let account = order::account(&self.options, &self.folder).await?;
            let pem = order::order(&account, domain, &self.challenges).await?;
            self.folder.store(domain, &pem)?;
            Ok(self.folder.load(domain, SystemTime::now())?)
        };
        tokio::time::timeout(ORDER_TIMEOUT, order)
            .await
            .unwrap_or(Err(AcmeError::Late))
    }
}

//! Where the account and ordered certificates are kept: files that only their owner can read, written
//! whole or not at all.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::AcmeError;
use crate::certificate::{Certificate, CertificateError, Files};

/// The folder of one authority.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Accounts and certificates of one authority say nothing to another, so each has its own.
    pub(super) fn new(base: &Path, directory: &str) -> Self {
        let plain = |c: char| match c.is_ascii_alphanumeric() || c == '.' || c == '-' {
            true => c,
            false => '_',
        };
        let (_, address) = directory.split_once("://").unwrap_or(("", directory));
        let name: String = address.chars().map(plain).take(200).collect();
        Self(base.join(name))
    }

    pub(super) fn account(&self) -> PathBuf {
        self.0.join("account.json")
    }

    /// Key and certificate in one file, so that they cannot be of two orders.
    pub(super) fn certificate(&self, domain: &str) -> PathBuf {
        self.0.join(format!("{domain}.pem"))
    }

    pub(super) fn load(
        &self,
        domain: &str,
        now: SystemTime,
    ) -> Result<Certificate, CertificateError> {
        let file = self.certificate(domain);
        let files = Files {
            cert: file.clone(),
            key: file,
            ocsp: None,
        };
        Certificate::load(&files, now)
    }

    pub(super) fn store(&self, domain: &str, pem: &str) -> Result<(), AcmeError> {
        write(&self.certificate(domain), pem.as_bytes())
    }

    /// The account's credentials; none when there is no account yet.
    pub(super) fn load_account(&self) -> Result<Option<Vec<u8>>, AcmeError> {
        match fs::read(self.account()) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(AcmeError::Folder {
                file: self.account(),
                source,
            }),
        }
    }

    pub(super) fn store_account(&self, credentials: &[u8]) -> Result<(), AcmeError> {
        write(&self.account(), credentials)
    }
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), AcmeError> {
    let write = || {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut name = file.as_os_str().to_owned();
        name.push(".new");
        let temporary = PathBuf::from(name);
        // One that a stop has left behind may have other rights.
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut new = options.open(&temporary)?;
        new.write_all(bytes)?;
        new.sync_all()?;
        fs::rename(&temporary, file)
    };
    write().map_err(|source| AcmeError::Folder {
        file: file.to_owned(),
        source,
    })
}
